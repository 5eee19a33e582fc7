"""For whom the mark that everyone may read is trusted."""

from __future__ import annotations

import pytest

from opsrunner.fleet.owners import NO_LOGIN, Owner, may_be_ours

ROOT, OPS, NOBODY, STRANGER = 0, 900, 65534, 1001
SERVICE = Owner(uid=ROOT)
ADMIN = Owner(uid=ROOT, login=STRANGER)  # root by sudo, in the session of somebody who logged in
UNPRIVILEGED = Owner(uid=OPS)

CASES = [
    pytest.param(Owner(uid=OPS), OPS, UNPRIVILEGED, True, id="our own"),
    pytest.param(Owner(uid=ROOT), OPS, UNPRIVILEGED, True, id="root's, by sudo"),
    pytest.param(
        Owner(uid=STRANGER), OPS, UNPRIVILEGED, False, id="we are not root, and nobody's child becomes another"
    ),
    pytest.param(Owner(uid=STRANGER, login=STRANGER), OPS, UNPRIVILEGED, False, id="a stranger"),
    pytest.param(Owner(uid=NOBODY), NOBODY, SERVICE, True, id="the step's account"),
    pytest.param(Owner(uid=STRANGER), NOBODY, SERVICE, False, id="neither the step's account nor root"),
    pytest.param(Owner(uid=NOBODY), ROOT, SERVICE, True, id="a program of root became somebody"),
    pytest.param(Owner(uid=STRANGER, login=STRANGER), ROOT, SERVICE, False, id="somebody logged in by himself"),
    pytest.param(Owner(uid=STRANGER, login=STRANGER), ROOT, ADMIN, True, id="root, by sudo, became himself again"),
    pytest.param(
        Owner(uid=STRANGER, login=NO_LOGIN), ROOT, ADMIN, True, id="a kernel that does not know who logged in"
    ),
    pytest.param(None, ROOT, SERVICE, False, id="gone"),
]


@pytest.mark.parametrize(("owner", "account_uid", "us", "is_ours"), CASES)
def test_a_mark_is_trusted_where_we_can_have_given_it(
    owner: Owner | None, account_uid: int, us: Owner, is_ours: bool
) -> None:
    assert may_be_ours(owner, account_uid=account_uid, us=us) is is_ours

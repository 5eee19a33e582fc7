from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.engine.masking import mask_addresses, mask_failure, mask_outcome
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.secrets import MASK, Vault

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def vault() -> Vault:
    vault = Vault(Path())
    vault.remember('open "sesame"')
    vault.remember("4711")
    return vault


def test_it_masks_messages_rows_facts_and_parts_and_leaves_what_is_no_secret(vault: Vault) -> None:
    outcome = Outcome(
        status=StepStatus.WARNING,
        message='it said open "sesame"',
        rows=({"a": 'x open "sesame" y', "n": 4711, "m": 47, "on": True, "at": WHEN, 'open "sesame"': ["4711"]},),
        facts={"deep": {"list": ('open "sesame"', None)}},
        parts=(Part(key="4711", status=StepStatus.FAILED, message="4711", facts={"v": "4711"}),),
    )

    masked = mask_outcome(outcome, vault)

    assert masked.message == f"it said {MASK}"
    assert masked.rows == ({"a": f"x {MASK} y", "n": MASK, "m": 47, "on": True, "at": WHEN, MASK: [MASK]},)
    assert masked.facts == {"deep": {"list": [MASK, None]}}
    assert masked.parts == (Part(key=MASK, status=StepStatus.FAILED, message=MASK, facts={"v": MASK}),)


def test_nothing_is_touched_where_no_secret_is_known() -> None:
    outcome = Outcome(status=StepStatus.SUCCEEDED, message="4711")

    assert mask_outcome(outcome, Vault(Path())) is outcome


def test_a_failure_keeps_all_but_the_secret(vault: Vault) -> None:
    failure = mask_failure(StepFailed("no 4711", permanent=True, status="unknown", facts={"v": "4711"}), vault)

    assert (failure.message, failure.permanent, failure.status, failure.facts) == (
        f"no {MASK}",
        True,
        "unknown",
        {"v": MASK},
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("anna.berg@example.net", "a…@example.net"),
        ("550 <gone@example.net>: unknown", "550 <g…@example.net>: unknown"),
        ('to "Åse" <åse@example.no>, x@example.com;', 'to "Åse" <å…@example.no>, x…@example.com;'),
        ("mail.example.com:587 at 10:00", "mail.example.com:587 at 10:00"),
    ],
)
def test_of_an_address_its_first_letter_and_its_domain_stand(text: str, masked: str) -> None:
    assert mask_addresses(text) == masked

"""Passwords that stand in a file in so many words: a warning says where, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from opsrunner.config.loader import Loaded

Load = Callable[[Mapping[str, str]], Loaded]
HEAD = "name: A routine\naccountable: sysadmin\nsteps:\n"
ADDRESS = "a password stands in this address, for everybody who reads the file, "
HEADER = "what signs in stands in this header, for everybody who reads the file, "
AS_VARIABLE = "hand it over with env: {PASSWORD: {file: secrets/NAME}}, and write $PASSWORD here"
AS_FILE = "into a file with mode 0600 and write {file: secrets/NAME}"

WRITTEN_OUT = [
    pytest.param(
        "  - http: {get: 'https://example.com/', headers: {Authorization: Bearer hunter2}}\n",
        f"steps[0].http.headers.Authorization: {HEADER}put all of it, such as 'Bearer …', {AS_FILE}",
        id="a header",
    ),
    pytest.param(
        "  - http: {get: 'https://example.com/', headers: {proxy-authorization: hunter2}}\n",
        f"steps[0].http.headers.proxy-authorization: {HEADER}put all of it, such as 'Bearer …', {AS_FILE}",
        id="a header of proxies, in small letters",
    ),
    pytest.param(
        "  - run: pg_dump postgresql://ops:hunter2@db.example.com/billing\n",
        f"steps[0].run: {ADDRESS}{AS_VARIABLE}",
        id="an address in a command",
    ),
    pytest.param(
        "  - run: [curl, -H, 'Authorization: Basic hunter2', 'https://example.com']\n",
        f"steps[0].run[2]: {HEADER}{AS_VARIABLE}",
        id="a header in a command",
    ),
    pytest.param(
        "  - ssh: {hosts: web1, run: 'wget ftp://:hunter2@example.com/'}\n",
        f"steps[0].ssh.run: {ADDRESS}{AS_VARIABLE}",
        id="a command elsewhere",
    ),
    pytest.param(
        "  - task: Sign in at https://ops:hunter2@example.com/\n",
        f"steps[0].task: {ADDRESS}write where it is kept instead",
        id="a text for people",
    ),
]

FILLED_IN_LATER = [
    "  - run: |\n      curl -H 'Authorization: Bearer $TOKEN' https://ops:$PASSWORD@example.com/\n",
    "  - http: {get: 'https://example.com/', headers: {Authorization: {env: TOKEN}}}\n",
    "  - http: {get: 'https://example.com/', headers: {Authorization: 'Bearer {{ run.id }}'}}\n",
    "  - http: {get: 'https://example.com:8443/a:b@c'}\n",
    "  - run: git clone ssh://git@example.com:22/ops.git\n",
    "  - task: Sign in at https://NAME:<password>@example.com/\n",
    "  - task: Give an authorization to somebody at https://example.com/\n",
]


@pytest.mark.parametrize(("step", "told"), WRITTEN_OUT)
def test_what_is_written_out_gives_a_warning_that_does_not_repeat_it(load: Load, step: str, told: str) -> None:
    loaded = load({"routines/x.yaml": HEAD + step})

    assert loaded.problems == ()
    (warning,) = [str(warning) for warning in loaded.warnings]
    assert warning.startswith("routines/x.yaml:4:")
    assert warning.endswith(f": {told}")
    assert "hunter2" not in warning


@pytest.mark.parametrize("step", FILLED_IN_LATER)
def test_what_comes_from_elsewhere_gives_none(load: Load, step: str) -> None:
    loaded = load({"routines/x.yaml": HEAD + step})
    assert [str(found) for found in (*loaded.problems, *loaded.warnings)] == []


def test_the_sites_own_file_is_looked_through_as_well(load: Load) -> None:
    site = (
        "site: X\npeople: {boss: {name: B, email: b@example.com, roles: [owner]}}\n"
        "heartbeat: {url: 'https://u:hunter2@hc.example.com/x'}\n"
        "sources:\n  a: {http_json: 'https://u:hunter2@example.com/'}\n"
        "  b: {sql: {url: 'mysql://u:hunter2@db.example.com/x'}, table: t}\n"
    )
    loaded = load(
        {"opsrunner.yaml": site, "routines/other.yaml": HEAD.replace("sysadmin", "boss") + "  - run: 'true'\n"}
    )
    assert [str(warning) for warning in loaded.warnings] == [
        f"opsrunner.yaml:3:18: heartbeat.url: {ADDRESS}put the whole address {AS_FILE}",
        (
            f"opsrunner.yaml:5:18: sources.a.http_json: {ADDRESS}"
            "sign in with headers: {Authorization: {file: secrets/NAME}}"
        ),
        (
            f"opsrunner.yaml:6:18: sources.b.sql.url: {ADDRESS}"
            "put the whole address into a file with mode 0600 and write url: {file: secrets/NAME}"
        ),
    ]

"""Looks after everything that a routine stands on: rights, clock, mail, keys, files, disk. Checks answer data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from opsrunner.engine.doctor_house import (
    check_clock,
    check_daemon,
    check_disk,
    check_files,
    check_ledger,
    check_looks,
    check_programs,
)
from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.doctor_rights import check_rights_of_secrets, check_rights_of_the_site, check_rights_of_the_state
from opsrunner.engine.doctor_scripts import check_rights_of_scripts
from opsrunner.engine.doctor_ways_out import check_certificates, check_keys, check_mail, check_stores
from opsrunner.errors import OpsrunnerError

Check: TypeAlias = Callable[[Patient], Iterator[Finding]]


def examine(patient: Patient, checks: Sequence[Check] | None = None) -> list[Finding]:
    """Return what every check found (or only `checks`), in their order. A check that cannot be made says so."""
    findings: list[Finding] = []
    for check in CHECKS if checks is None else checks:
        try:
            findings += check(patient)
        except (OSError, OpsrunnerError) as exc:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            findings.append(Finding(level="failed", what=f"the check of {name} could not be made", where=str(exc)))
    return findings


CHECKS: tuple[Check, ...] = (
    check_files,
    check_daemon,
    check_clock,
    check_ledger,
    check_disk,
    check_looks,
    check_mail,
    check_certificates,
    check_keys,
    check_stores,
    check_rights_of_the_site,
    check_rights_of_scripts,
    check_rights_of_secrets,
    check_rights_of_the_state,
    check_programs,
)

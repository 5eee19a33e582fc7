"""The one table of step kinds. A new kind is a file for what one may say, one for what it does, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from opsrunner.steps import (
    ask,
    backup,
    backup_check,
    capacity,
    checklist,
    cover,
    email,
    expiries,
    hardening,
    http,
    notice,
    offer_check,
    patch_audit,
    query,
    restore_drill,
    run,
    sample_rows,
    scorecard,
    ssh,
    suppress,
    task,
    ticket_clocks,
    trend,
)
from opsrunner.steps.kind import Kind

_TABLE: dict[str, Kind] = {
    module.KIND.name: module.KIND
    for module in (
        run,
        ssh,
        ask,
        http,
        query,
        expiries,
        email,
        notice,
        suppress,
        backup,
        backup_check,
        restore_drill,
        patch_audit,
        capacity,
        hardening,
        offer_check,
        ticket_clocks,
        trend,
        sample_rows,
        scorecard,
        cover,
        task,
        checklist,
    )
}
KINDS: Mapping[str, Kind] = MappingProxyType(_TABLE)

"""The step kind `capacity`: how full each host is, and when it will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from opsrunner.audits import capacity
from opsrunner.audits.limits import Limits, Lines
from opsrunner.model.finding import HostReport, Sample
from opsrunner.model.outcome import Outcome
from opsrunner.steps.audit_options import AuditOptions
from opsrunner.steps.base import Kind, Means, StepCall, StepOptions
from opsrunner.steps.fields import one_or_many

Pair = Annotated[tuple[float, float], Field(strict=False)]
"""From where on somebody should look, and from where on somebody has to act."""
SAMPLES = "samples"
_DEFAULT = Limits()


def _pair(name: str) -> Pair:
    lines: Lines = getattr(_DEFAULT, name)
    return (lines.look, lines.act)


class LimitOptions(StepOptions):
    """Two values each: from the first on somebody should look, from the second on somebody has to act."""

    disk_percent: Pair = _pair("disk_percent")
    inodes_percent: Pair = _pair("inodes_percent")
    days_until_full: Pair = _pair("days_until_full")
    load_per_core: Pair = _pair("load_per_core")
    memory_available_percent: Pair = _pair("memory_available_percent")
    swap_percent: Pair = _pair("swap_percent")
    mail_queue: Pair = _pair("mail_queue")
    certificate_days: Pair = _pair("certificate_days")

    @model_validator(mode="after")
    def _in_order(self) -> LimitOptions:
        for name in type(self).model_fields:
            look, act = getattr(self, name)
            usual = _pair(name)
            if look != act and (look < act) != (usual[0] < usual[1]):
                raise ValueError(
                    f"{name}: {look:g} is where to look and {act:g} where to act; they are the wrong way round"
                )
        return self

    @property
    def limits(self) -> Limits:
        """Return them as the audit takes them."""
        given: dict[str, Any] = {
            name: Lines(look=getattr(self, name)[0], act=getattr(self, name)[1]) for name in type(self).model_fields
        }
        return replace(_DEFAULT, **given)


class Options(AuditOptions):
    """What stands in `capacity:`."""

    limits: LimitOptions = LimitOptions()
    certificates: tuple[str, ...] = ()
    """Patterns of certificate files; default: the usual places."""
    without: tuple[str, ...] = ()
    """Causes that are not looked at."""

    @field_validator("certificates", "without", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return one_or_many(value)

    @field_validator("certificates")
    @classmethod
    def _are_paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(path.startswith("/") and path.isprintable() for path in value):
            raise ValueError("holds something that is no absolute path")
        return value

    @field_validator("without")
    @classmethod
    def _are_causes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = next((name for name in value if name not in capacity.CAUSES), None)
        if unknown is not None:
            raise ValueError(f"'{unknown[:40]}' is no cause; there are {', '.join(capacity.CAUSES)}")
        return value

    @property
    def lines(self) -> Limits:
        """The limits with all that the audit takes."""
        return replace(self.limits.limits, certificates=self.certificates, without=frozenset(self.without))


def run(call: StepCall, means: Means) -> Outcome:
    """Audit all hosts at once. Raises StepFailed where no host is meant."""
    from opsrunner.steps.audit_run import Audit, run_audit  # noqa: PLC0415 - only to run

    options: Options = call.options
    limits, now = options.lines, means.clock.now()
    past = means.samples(call.routine, call.step)
    audit = Audit(
        script=capacity.script(),
        read=lambda end, said: _read(end.host.name, said, now=now, limits=limits, past=past.get(end.host.name, {})),
        causes=capacity.CAUSES,
        env=capacity.environment_of(limits),
    )
    return run_audit(call, means, audit)


def _read(
    host: str, said: bytes, *, now: datetime, limits: Limits, past: Mapping[str, Sequence[tuple[datetime, int, int]]]
) -> HostReport:
    report = capacity.read_report(host, said, now=now, limits=limits, past=past)
    facts: dict[str, Any] = dict(report.facts)
    samples = tuple(
        Sample(subject=one["mount"], used_bytes=one["used_bytes"], size_bytes=one["size_bytes"])
        for one in facts.pop(SAMPLES, ())
    )
    return replace(report, facts=facts, samples=samples)


def preview(options: Options) -> str:
    """Return what would be looked at, where."""
    hosts = options.hosts if isinstance(options.hosts, str) else ", ".join(options.hosts)
    looked = [name for name in capacity.CAUSES if name not in options.without]
    return f"on {hosts}: look at {', '.join(looked)}; changes nothing"


KIND = Kind(
    name="capacity",
    summary="Look at how full hosts are: disks with their trend, load, memory, mail queues, certificates.",
    options=Options,
    run=run,
    preview=preview,
    reads_only=True,
    at_once=True,
)

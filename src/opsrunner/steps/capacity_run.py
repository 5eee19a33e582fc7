"""What the step kind `capacity` does: all hosts audited at once, and block lists asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from opsrunner.audits import block_lists, capacity
from opsrunner.audits.limits import Limits
from opsrunner.model.finding import HostReport, Sample
from opsrunner.model.outcome import Outcome
from opsrunner.model.site import Host
from opsrunner.name_lookups import Server, look_up
from opsrunner.steps.audit_run import Audit, run_audit
from opsrunner.steps.base import Means, StepCall, Stopping
from opsrunner.steps.capacity import Options, is_address, read_server
from opsrunner.steps.fan_out import select_hosts

SAMPLES = "samples"


def run(call: StepCall, means: Means) -> Outcome:
    """Audit all hosts at once. Raises StepFailed where no host is meant."""
    options: Options = call.options
    limits, now = options.lines, means.clock.now()
    past = means.samples(call.routine, call.step)
    lists = _BlockLists(options, select_hosts(options.hosts, means.hosts), stopping=means.stopping)
    audit = Audit(
        script=capacity.script(),
        read=lambda end, said: lists.judged(
            _read(end.host.name, said, now=now, limits=limits, past=past.get(end.host.name, {}))
        ),
        causes={**capacity.CAUSES, **(block_lists.CAUSES if options.block_lists else {})},
        wanted=frozenset(capacity.CAUSES.keys() | block_lists.CAUSES.keys()) - set(options.without),
        env=capacity.environment_of(limits),
    )
    return run_audit(call, means, audit)


class _BlockLists:
    """What block lists say of the hosts' addresses; asked once for all of them, from here."""

    def __init__(self, options: Options, hosts: Sequence[Host], *, stopping: Stopping) -> None:
        self._zones = options.block_lists
        address, port = read_server(options.resolver) if options.resolver else ("", 0)
        servers = (Server(address=address, port=port),) if address else ()
        ask = partial(look_up, servers=servers, stopping=stopping)
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._answers: Mapping[str, Sequence[str] | None] = {}
        if not self._zones:
            return
        named = {host.name: host.address for host in hosts if not host.is_local and host.name not in options.mail_from}
        found = ask([address for address in named.values() if not is_address(address)])
        for name, address in named.items():
            known = found[address].addresses if address in found else (address,)
            self._addresses[name] = known or (address,)
        self._addresses |= {host.name: options.mail_from[host.name] for host in hosts if host.name in options.mail_from}
        every = [address for addresses in self._addresses.values() for address in addresses]
        looked = ask(block_lists.names_to_ask(every, self._zones))
        self._answers = {name: one.addresses for name, one in looked.items()}

    def judged(self, report: HostReport) -> HostReport:
        """Return a report with what the lists say of its host."""
        addresses = self._addresses.get(report.host)
        if addresses is None:
            return report
        told = block_lists.judge_block_lists(report.host, addresses, self._zones, self._answers)
        return replace(
            report,
            examined=report.examined | told.examined,
            findings=(*report.findings, *told.findings),
            problems=(*report.problems, *told.problems),
            facts={**report.facts, **told.facts},
        )


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

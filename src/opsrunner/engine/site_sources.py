"""Sources as the site names them: `$STATE` put in its place, the sample's data written before they are read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsrunner.clock import Clock
from opsrunner.errors import MailFailed, StepFailed
from opsrunner.ledger.outbox import Outbox
from opsrunner.mail.headers import parse_address
from opsrunner.model.outcome import Row
from opsrunner.model.site import Site, Source
from opsrunner.model.store import STATE_WORD
from opsrunner.records import dataclass
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source, stream_source
from opsrunner.sources.request import Around


@dataclass(frozen=True, kw_only=True)
class SiteSources:
    """Reads the sources of the site in force."""

    site: Callable[[], Site]
    state: Path
    vault: Vault
    clock: Clock
    outbox: Outbox

    def read(self, source: Source, options: Mapping[str, Any]) -> tuple[Row, ...]:
        """Return a source's rows with the options of a query. Raises StepFailed."""
        source, site, now = self._ready(source), self.site(), self.clock.now()
        around = self._around(source)
        return read_source(source, options, vault=self.vault, site_root=site.root, now=now, around=around)

    def stream(self, source: Source, options: Mapping[str, Any]) -> Generator[Row]:
        """Give a source's rows one by one: take them all, or close it. Raises StepFailed, also after rows."""
        source, site, now = self._ready(source), self.site(), self.clock.now()
        around = self._around(source)
        return stream_source(source, options, vault=self.vault, site_root=site.root, now=now, around=around)

    def write_samples(self) -> None:
        """Write the data of a sample site as they stand now; any other site has none."""
        site = self.site()
        if site.sample_seed is not None:
            from opsrunner.sample.writing import write_samples  # noqa: PLC0415 - 1 MB that only a sample site needs

            now = self.clock.now()
            write_samples(site.root, self.state, seed=site.sample_seed, now=now, name=site.name)

    def _around(self, source: Source) -> Around:
        return Around(
            memory=self.state / "sources" / source.name,
            hosts={host.address: host.name for host in self.site().hosts.values()},
            other=lambda name: self._other(name, asked_by=source.name),
            recipient_of=self._recipient_of,
        )

    def _recipient_of(self, message_id: str) -> str:
        """Return who was sent the mail of a Message-ID; the outbox knows it without the domain, which is anybody's."""
        to = self.outbox.recipient_of(message_id.strip().strip("<>").partition("@")[0])
        try:
            return parse_address(to).address.lower() if to is not None else ""
        except MailFailed:
            return ""

    def _other(self, name: str, *, asked_by: str) -> tuple[Row, ...]:
        found = self.site().sources.get(name)
        if found is None or name == asked_by:
            raise StepFailed(f"{asked_by}: there is no other source '{name}' to look things up in", permanent=True)
        return self.read(found, {})

    def _ready(self, source: Source) -> Source:
        self.write_samples()
        if source.kind != "tables":
            return self._in_place(source)
        known = self.site().sources
        tables = {name: self._in_place(known[name]) for name in source.where["tables"] if name in known}
        return replace(source, where={**source.where, "sources": tables})

    def _in_place(self, source: Source) -> Source:
        return replace(source, where={name: self._placed(value) for name, value in source.where.items()})

    def _placed(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(self._placed(item) for item in value)
        return value.replace(STATE_WORD, str(self.state)) if isinstance(value, str) else value

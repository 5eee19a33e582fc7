"""Sources as the site names them: `$STATE` put in its place, the sample's data written before they are read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opsrunner.clock import Clock
from opsrunner.model.outcome import Row
from opsrunner.model.site import Site, Source
from opsrunner.model.store import STATE_WORD
from opsrunner.sample.writing import write_samples
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source, stream_source


@dataclass(frozen=True, kw_only=True)
class SiteSources:
    """Reads the sources of the site in force."""

    site: Callable[[], Site]
    state: Path
    vault: Vault
    clock: Clock

    def read(self, source: Source, options: Mapping[str, Any]) -> tuple[Row, ...]:
        """Return a source's rows with the options of a query. Raises StepFailed."""
        source = self._ready(source)
        return read_source(source, options, vault=self.vault, site_root=self.site().root, now=self.clock.now())

    def stream(self, source: Source, options: Mapping[str, Any]) -> Generator[Row]:
        """Give a source's rows one by one: take them all, or close it. Raises StepFailed, also after rows."""
        source = self._ready(source)
        return stream_source(source, options, vault=self.vault, site_root=self.site().root, now=self.clock.now())

    def write_samples(self) -> None:
        """Write the data of a sample site as they stand now; any other site has none."""
        site = self.site()
        if site.sample_seed is not None:
            now = self.clock.now()
            write_samples(site.root, self.state, seed=site.sample_seed, now=now, name=site.name)

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
        return value.replace(STATE_WORD, str(self.state)) if isinstance(value, str) else value

"""Sources as the site names them: `$STATE` put in its place, the sample's data written before they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opsrunner.clock import Clock
from opsrunner.model.outcome import Row
from opsrunner.model.site import Site, Source
from opsrunner.model.store import STATE_WORD
from opsrunner.sample import write_samples
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source


@dataclass(frozen=True, kw_only=True)
class SiteSources:
    """Reads the sources of the site in force."""

    site: Callable[[], Site]
    state: Path
    vault: Vault
    clock: Clock

    def read(self, source: Source, options: Mapping[str, Any]) -> tuple[Row, ...]:
        """Return a source's rows with the options of a query. Raises StepFailed."""
        self.write_samples()
        where = {name: self._placed(value) for name, value in source.where.items()}
        now = self.clock.now()
        placed = replace(source, where=where)
        return read_source(placed, options, vault=self.vault, site_root=self.site().root, now=now)

    def stream(self, source: Source, options: Mapping[str, Any]) -> Iterator[Row]:
        """Yield a source's rows one by one, of any number, in its own order. Raises StepFailed."""
        yield from self.read(source, options)

    def write_samples(self) -> None:
        """Write the data of a sample site as they stand now; any other site has none."""
        site = self.site()
        if site.sample_seed is not None:
            write_samples(site.root, self.state, seed=site.sample_seed, now=self.clock.now())

    def _placed(self, value: Any) -> Any:
        return value.replace(STATE_WORD, str(self.state)) if isinstance(value, str) else value

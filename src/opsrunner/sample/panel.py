"""The backups that the invented company's control panel makes of each account."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from opsrunner.sample.company import Company, at

FORGOTTEN = 0.004


def write_panel(folder: Path, accounts: Sequence[Mapping[str, object]], company: Company) -> None:
    """Let the panel make last night's backups; of a few accounts it makes none, or none any more."""
    folder.mkdir(exist_ok=True, mode=0o700)
    midnight = at(company.today)
    for account in accounts:
        chance = company.dice("panel", account["order"])
        nightly, luck = timedelta(hours=1, minutes=chance.randrange(50)), chance.random()
        created_at = datetime.fromisoformat(str(account["created_at"]))
        last_night = midnight + nightly
        made_at = last_night if last_night <= company.now else last_night - timedelta(days=1)
        if luck < FORGOTTEN:
            continue
        if luck < 2 * FORGOTTEN:
            made_at = min(made_at, created_at + timedelta(days=9))
        if made_at >= created_at:
            _make_backup(folder / f"{account['username']}.tar.gz", account, made_at=made_at, chance=chance)


def _make_backup(path: Path, account: Mapping[str, object], *, made_at: datetime, chance: Random) -> None:
    if not path.exists():
        page = f"<h1>{account['domain']}</h1>\n".encode()
        files = {"public_html/index.html": page, "mysql/dump.sql": chance.randbytes(chance.randrange(2_000, 6_000))}
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"{account['username']}/{name}")
                member.size, member.mtime = len(content), int(made_at.timestamp())
                archive.addfile(member, io.BytesIO(content))
        fresh.replace(path)
    if path.stat().st_mtime != made_at.timestamp():
        os.utime(path, (made_at.timestamp(), made_at.timestamp()))

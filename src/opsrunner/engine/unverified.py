"""What is asked or sent without looking at a certificate: accepted risks, which nobody should forget."""

from __future__ import annotations

from opsrunner.model.database import Database
from opsrunner.model.site import Site
from opsrunner.model.store import S3Store


def unverified_lines(site: Site) -> list[str]:
    """Return a sentence for each `verify: false` of the site."""
    smtp = site.mail.smtp
    lines: list[str] = []
    if smtp is not None and not smtp.verify and smtp.security != "none":
        lines.append(f"Mails leave without checking the certificate of {smtp.host} (mail.smtp.verify: false).")
    for name, store in site.stores.items():
        if isinstance(store, S3Store) and not store.verify:
            lines.append(
                f"Copies go to {name} without checking the certificate of its store (stores.{name}.s3.verify: false)."
            )
    for name, source in site.sources.items():
        if source.kind == "imap" and source.where.get("verify") is False:
            lines.append(
                f"Mails of {name} are read without checking the certificate of {source.where['host']}"
                f" (sources.{name}.imap.verify: false)."
            )
        database = source.where.get("database")
        if isinstance(database, Database) and not database.verify and not database.socket:
            lines.append(
                f"Rows of {name} are read without checking its server's certificate (sources.{name}.sql.verify: false)."
            )
    for routine in site.routines.values():
        steps = [step for step in routine.steps if step.kind == "http" and step.options.get("verify") is False]
        if steps:
            named = ", ".join(step.name or step.id for step in steps)
            lines.append(f"{routine.name} asks without checking the certificate ({named}: verify: false).")
    return lines

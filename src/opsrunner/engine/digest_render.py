"""Turns a digest into the two parts of its mail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opsrunner.engine.digest_view import ROOMS, view_digest
from opsrunner.engine.reports import render_report
from opsrunner.mail.styles import inline_styles
from opsrunner.model.digest import Digest

HTML_LIMIT_BYTES = 88_000
"""Mail programs cut longer ones off (Gmail at 102 kB) and hide the rest behind a link."""
TEXT_LIMIT_BYTES = 44_000


def render_html(digest: Digest, folders: Sequence[Path]) -> str:
    """Return the HTML part: tables and inline styles, at most HTML_LIMIT_BYTES whatever went wrong.

    `folders` hold the templates, the site's own first. Lists are cut until it fits and say how many
    more there are; totals are always those of the whole digest.
    """
    return _fitting(digest, "digest.html.j2", folders=folders, html=True)


def render_text(digest: Digest, folders: Sequence[Path]) -> str:
    """Return the text part, which says the same on 72 columns; at most TEXT_LIMIT_BYTES."""
    return _fitting(digest, "digest.txt.j2", folders=folders, html=False)


def _fitting(digest: Digest, template: str, *, folders: Sequence[Path], html: bool) -> str:
    """Render with less and less room; the tightest is returned even if a site's own template is too long."""
    limit = HTML_LIMIT_BYTES if html else TEXT_LIMIT_BYTES
    page = ""
    for room in ROOMS:
        page = render_report(template, {"digest": view_digest(digest, room)}, folders=folders, html=html)
        if html:
            page = inline_styles(page)
        if len(page.encode("utf-8", "replace")) <= limit:
            break
    return page

"""Mail templates that are compiled once and rendered many times: subject, text and HTML of one name in `reports/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, overload

from jinja2 import Template, meta
from jinja2.environment import Environment

from opsrunner.errors import ExpressionError
from opsrunner.records import dataclass
from opsrunner.templates.environments import FOREIGN, describe_error, has_page, page_environment, page_source, rendered

_SUBJECT = "Subject:"
MOST_KEPT = 64
"""So many texts stay compiled: windows and incidents are looked after again and again."""


@dataclass(frozen=True, kw_only=True)
class MailPage:
    """`NAME.txt.j2`, whose first line is the subject, and `NAME.html.j2` where it is there."""

    name: str
    sources: tuple[str, ...]
    """What the files say, with all that they extend, include and import."""
    subject: Template
    text: Template
    html: Template | None

    def render(self, context: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return subject, text and HTML, each rendered apart, so that no value moves from one into the other.

        Raises ExpressionError.
        """
        plain = f"{self.name}.txt.j2"
        subject = rendered(self.subject, context, plain)
        html = "" if self.html is None else rendered(self.html, context, f"{self.name}.html.j2")
        return subject, rendered(self.text, context, plain), html


@overload
def open_mail_page(name: str, *, folders: Sequence[Path]) -> MailPage: ...
@overload
def open_mail_page(name: str, *, folders: Sequence[Path], missing_ok: Literal[True]) -> MailPage | None: ...
def open_mail_page(name: str, *, folders: Sequence[Path], missing_ok: bool = False) -> MailPage | None:
    """Return a mail template. Raises NotFound where it is not there, unless that may be; ExpressionError."""
    plain, rich = f"{name}.txt.j2", f"{name}.html.j2"
    if missing_ok and not has_page(plain, folders):
        return None
    environment = page_environment(folders, html=False)
    source = page_source(environment, plain, folders)
    first, _, rest = source.partition("\n")
    if not first.startswith(_SUBJECT):
        raise ExpressionError(f"{plain}:1: the first line must be 'Subject: …'")
    sources, html = page_texts(environment, plain, folders), None
    try:
        subject = _compiled(environment, first.removeprefix(_SUBJECT).strip())
        text = _compiled(environment, rest.lstrip("\n"))
    except FOREIGN as exc:
        raise ExpressionError(f"{plain}: {describe_error(exc, source=source)}") from exc
    if has_page(rich, folders):
        environment = page_environment(folders, html=True)
        sources += page_texts(environment, rich, folders)
        try:
            html = environment.get_template(rich)
        except FOREIGN as exc:
            said = page_source(environment, rich, folders)
            raise ExpressionError(f"{rich}: {describe_error(exc, source=said)}") from exc
    return MailPage(name=name, sources=tuple(sources), subject=subject, text=text, html=html)


def page_texts(environment: Environment, name: str, folders: Sequence[Path]) -> list[str]:
    """Return what a template says, and after it each one that it is made of, in the order in which they are named.

    Raises NotFound where it is not there itself, and ExpressionError where one names another by what data say: who
    approves its text could not be asked again when that changes.
    """
    texts: dict[str, str] = {}
    left = [name]
    while left:
        one = left.pop(0)
        if one in texts or (one != name and not has_page(one, folders)):
            continue  # what is not there is told when the mail is made, unless it may be missing
        source = texts[one] = page_source(environment, one, folders)
        try:
            named = _named_in(environment, source)
        except FOREIGN as exc:
            raise ExpressionError(f"{one}: {describe_error(exc, source=source)}") from exc
        if None in named:
            raise ExpressionError(f"{one}: a mail names what it extends, includes or imports in plain words")
        left += [other for other in named if other is not None]
    return list(texts.values())


@lru_cache(maxsize=MOST_KEPT)
def _compiled(environment: Environment, source: str) -> Template:
    """Return a template out of its text. Compiling takes a hundred times as long as a look, so it is done once."""
    return environment.from_string(source)


@lru_cache(maxsize=MOST_KEPT)
def _named_in(environment: Environment, source: str) -> tuple[str | None, ...]:
    """Return which templates a text extends, includes or imports; None for one that data would choose."""
    return tuple(meta.find_referenced_templates(environment.parse(source)))

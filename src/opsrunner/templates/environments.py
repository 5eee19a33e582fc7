"""The three sandboxed template environments: text, argv and HTML.

Data is never rendered: a value that holds `{{ … }}` appears as it is. A name that is not in the context
is an error. `None` is the empty text, except in argv, where it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from jinja2 import FileSystemLoader, Template
from jinja2.environment import Environment
from jinja2.exceptions import SecurityError, TemplateError, TemplateNotFound, TemplateSyntaxError

from opsrunner.errors import ExpressionError, NotFound
from opsrunner.templates.filters import LONGEST
from opsrunner.templates.sandbox import Sandbox

Mode: TypeAlias = Literal["text", "argv"]

FOREIGN = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a template may raise beside its own errors: it works on data of any shape."""
_PAGE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_NEGATIVE_NUMBER = re.compile(r"-[0-9.]")
_JARGON = (
    ("end of print statement", "}}"),
    ("end of statement block", "%}"),
    ("unexpected 'end of template'", "something is missing at its end"),
    ("unexpected end of template", "something is missing at its end"),
)
_MARKS = ("{{", "{%", "{#")


def _empty_for_none(value: Any) -> Any:
    return "" if value is None else value


def _one_argument(value: Any) -> Any:
    if value is None:
        raise SecurityError("an argument would be empty: the value is null")
    if isinstance(value, (Mapping, list, tuple, set)):
        raise SecurityError("an argument takes one value, not a list or mapping")
    return value


TEXT = Sandbox(autoescape=False, finalize=_empty_for_none)
ARGV = Sandbox(autoescape=False, finalize=_one_argument)
HTML = Sandbox(autoescape=True, finalize=_empty_for_none)
_OF_MODE = {"text": TEXT, "argv": ARGV}


def render_text(source: str, context: Mapping[str, Any]) -> str:
    """Return the text that `source` makes of `context`. Raises ExpressionError."""
    return _render("text", source, context)


def render_argv(source: str, context: Mapping[str, Any]) -> str:
    """Return one argument of a command; values stay within it whatever they hold.

    Raises ExpressionError, also for a NUL, which no argument can hold, for null, and for a list.
    """
    argument = _render("argv", source, context)
    if "\0" in argument:
        raise ExpressionError(f"{quoted(source)}: an argument cannot hold a NUL character")
    return argument


def render_command(items: Sequence[str], context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a command's arguments, each rendered alone.

    A value that would begin its argument with `-` is refused unless an argument `--` stands before it:
    data never becomes an option. Raises ExpressionError.
    """
    command: list[str] = []
    for source in items:
        argument = render_argv(source, context)
        if _became_an_option(source, argument) and "--" not in command:
            raise ExpressionError(
                f"{quoted(source)}: the argument became {quoted(argument)}, which the program "
                "would take for an option; put '--' before it"
            )
        command.append(argument)
    return tuple(command)


def render_tree(value: Any, context: Mapping[str, Any], mode: Mode = "text") -> Any:
    """Return `value` with every text in its mappings and lists rendered; keys and other values stay.

    In mode `argv` a list is a command and goes through `render_command`.
    """
    if isinstance(value, str):
        return _render(mode, value, context) if mode == "text" else render_argv(value, context)
    if isinstance(value, Mapping):
        return {key: render_tree(item, context, mode) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if mode == "argv" and all(isinstance(item, str) for item in value):
            return render_command(value, context)
        return tuple(render_tree(item, context, mode) for item in value)
    return value


def render_options(
    options: Mapping[str, Any], context: Mapping[str, Any], *, verbatim: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return a step's options with their texts rendered.

    Of the keys in `verbatim` a text stays as it is (a shell string, SQL) and a list is a command.
    """
    return {
        key: _render_verbatim(value, context) if key in verbatim else render_tree(value, context)
        for key, value in options.items()
    }


def render_page(name: str, context: Mapping[str, Any], *, folders: Sequence[Path], html: bool) -> str:
    """Return the report template `name`, taken from the first of `folders` that has it.

    Raises NotFound when none has it, ExpressionError when the template or the context is wrong.
    """
    if ".html" in name and not html:
        raise ExpressionError(f"{name}: an HTML template is rendered with escaping only")
    environment = _pages(tuple(folders), html)
    source = page_source(environment, name, folders)
    try:
        template = environment.get_template(name)
    except FOREIGN as exc:
        raise ExpressionError(f"{name}: {describe_error(exc, source=source)}") from exc
    return rendered(template, context, name)


def render_mail_page(name: str, context: Mapping[str, Any], *, folders: Sequence[Path]) -> tuple[str, str]:
    """Return subject and text of a mail template, whose first line is `Subject: …`.

    The two are rendered apart, so that no value moves text from one into the other. Raises as
    `render_page` does.
    """
    environment = _pages(tuple(folders), False)
    source = page_source(environment, name, folders)
    first, _, rest = source.partition("\n")
    if not first.startswith("Subject:"):
        raise ExpressionError(f"{name}:1: the first line must be 'Subject: …'")
    subject = render_text(first.removeprefix("Subject:").strip(), context)
    try:
        template = environment.from_string(rest.lstrip("\n"))
    except FOREIGN as exc:
        raise ExpressionError(f"{name}: {describe_error(exc, source=rest)}") from exc
    return subject, rendered(template, context, name)


def has_page(name: str, folders: Sequence[Path]) -> bool:
    """Tell whether one of `folders` has the report template `name`."""
    return bool(_PAGE_NAME.fullmatch(name)) and any((folder / name).is_file() for folder in folders)


def describe_error(error: BaseException, *, source: str) -> str:
    """Return what is wrong with `source` in one line, with the line's number where there are several."""
    if isinstance(error, RecursionError):
        what = "it is nested too deeply"
    elif isinstance(error, MemoryError):
        what = "it makes too much"
    elif isinstance(error, NameError):
        what = "a number is too large"  # compiled as `inf`, which is no name
    else:
        text = error.message if isinstance(error, TemplateSyntaxError) else str(error)
        what = " ".join((text or type(error).__name__).split()).rstrip(".")
        for jargon, words in _JARGON:
            what = what.replace(jargon, words)
    line = error.lineno if isinstance(error, TemplateSyntaxError) else None
    if line is None or "\n" not in source:
        return what
    return f"line {line}: {what}"


def quoted(text: str, longest: int = 80) -> str:
    """Return `text` in quotes on one line, cut where it is long."""
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= longest else f"'{line[: longest - 1]}…'"


def _render_verbatim(value: Any, context: Mapping[str, Any]) -> Any:
    return value if isinstance(value, str) else render_tree(value, context, "argv")


def _render(mode: Mode, source: str, context: Mapping[str, Any]) -> str:
    if not any(mark in source for mark in _MARKS):
        return source
    return rendered(_compiled(mode, source), context, quoted(source), source)


@lru_cache(maxsize=4096)
def _compiled(mode: Mode, source: str) -> Template:
    try:
        return _OF_MODE[mode].from_string(source)
    except FOREIGN as exc:
        raise ExpressionError(f"{quoted(source)}: {describe_error(exc, source=source)}") from exc


def rendered(template: Template, context: Mapping[str, Any], name: str, source: str = "\n") -> str:
    """Return what a template makes of `context`. Raises ExpressionError, which begins with `name`."""
    pieces: list[str] = []
    length = 0
    try:
        for piece in template.generate(context):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise SecurityError(f"the text would grow past {LONGEST:,} characters")
    except FOREIGN as exc:
        raise ExpressionError(f"{name}: {describe_error(exc, source=source)}") from exc
    return "".join(pieces)


@lru_cache(maxsize=16)
def _loader(folders: tuple[Path, ...]) -> FileSystemLoader:
    return FileSystemLoader([str(folder) for folder in folders])


def page_environment(folders: Sequence[Path], *, html: bool) -> Environment:
    """Return the environment of the report templates in `folders`; with `html` everything is escaped."""
    return _pages(tuple(folders), html)


@lru_cache(maxsize=16)
def _pages(folders: tuple[Path, ...], html: bool) -> Environment:
    return (HTML if html else TEXT).overlay(loader=_loader(folders))


def page_source(environment: Environment, name: str, folders: Sequence[Path]) -> str:
    """Return what the report template `name` says. Raises NotFound, ExpressionError."""
    if not _PAGE_NAME.fullmatch(name):
        raise ExpressionError(f"{quoted(name)} is not the name of a report template")
    try:
        return _loader(tuple(folders)).get_source(environment, name)[0]
    except TemplateNotFound as exc:
        raise NotFound(f"there is no report template {name!r} in reports/") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ExpressionError(f"{name}: {getattr(exc, 'strerror', None) or 'not UTF-8 text'}") from exc


def _became_an_option(source: str, argument: str) -> bool:
    if source.startswith("-") or not argument.startswith("-"):
        return False
    return not _NEGATIVE_NUMBER.match(argument)

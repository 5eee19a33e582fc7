"""Checklists that a team keeps as Markdown: what of the text is a task, and what belongs to it.

A `- [ ]` item is a task, ticked or not; items below it are tasks grouped under it. Without any box in the
file, the outermost numbered steps are the tasks. A table with a header is a task a row. Headings group; what
stands under a task is its `how`. Texts are taken as they stand: `{{ }}` in them is no template.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from opsrunner.config.checklist import MOST_ITEMS, Checklist, Item, item_id
from opsrunner.config.fields import Text
from opsrunner.config.markdown_text import has_box, how_of_row, literal, plain_text, title_and_link
from opsrunner.config.report import Report
from opsrunner.config.yaml12 import BadYaml, read_yaml
from opsrunner.model.site import Problem
from opsrunner.steps.task import TaskDefaults, TaskOptions

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

LARGEST_CHARACTERS = 200_000
MOST_LINES, MOST_COLUMNS, MOST_MARKS = 5_000, 100, 10_000
LONGEST_TITLE = 200
_MARKS = "[!*_`&<|~"
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class FrontMatter(TaskDefaults):
    """What may stand between two lines of `---` at the top: it holds for all tasks of the list."""

    name: Text | None = None
    about: str = ""


def read_markdown(text: str, *, file: str, name: str) -> Checklist:
    """Return the list that a Markdown file holds, with its mistakes."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if too_much := _too_much(text):
        return _refused(file, name, too_much)
    match = _FRONT_MATTER.match(text)
    front = match[1] if match else ""
    body = text[match.end() :] if match else text
    keys, problems = _front_matter(front, file)
    reader = _Reader(body)
    if not problems and not reader.items:
        problems = (_problem(file, "holds no task", "write each one as '- [ ] …'"),)
    if reader.has_too_many:
        problems = (_problem(file, f"holds more than {MOST_ITEMS} tasks"),)
    return Checklist(
        id=name,
        file=file,
        name=keys.name or reader.title or name,
        about=keys.about or reader.about,
        defaults=keys,
        items=reader.items,
        problems=problems,
        text=front,
        first_line=2,
    )


def _too_much(text: str) -> str:
    """Return why a text is larger than any checklist, '' where it is not: what is made to be slow is not parsed."""
    if len(text) > LARGEST_CHARACTERS:
        return f"is longer than {LARGEST_CHARACTERS:,} characters"
    if text.count("\n") > MOST_LINES:
        return f"has more than {MOST_LINES:,} lines"
    if any(line.count("|") > MOST_COLUMNS for line in text.split("\n")):
        return f"has a table of more than {MOST_COLUMNS} columns"
    if sum(text.count(mark) for mark in _MARKS) > MOST_MARKS:
        return f"has more than {MOST_MARKS:,} of the marks {' '.join(_MARKS)}"
    return ""


def _refused(file: str, name: str, message: str) -> Checklist:
    return Checklist(id=name, file=file, name=name, problems=(_problem(file, message),))


def _problem(file: str, message: str, hint: str = "") -> Problem:
    return Problem(file=file, line=1, column=1, path="", message=message, hint=hint)


def _front_matter(front: str, file: str) -> tuple[FrontMatter, tuple[Problem, ...]]:
    report = Report(file, front, first_line=2)
    try:
        data = read_yaml(front)
        return FrontMatter.model_validate({} if data is None else data), ()
    except BadYaml as exc:
        problem = _problem(file, str(exc), exc.hint)
        return FrontMatter(), (replace(problem, line=exc.line + 1, column=exc.column),)
    except ValidationError as exc:
        report.add_validation(exc, data=data, model=FrontMatter)
        return FrontMatter(), report.problems()


class _Reader:
    """Walks the blocks of a file from top to bottom."""

    def __init__(self, body: str) -> None:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - 70 modules that a site without such lists does without
        from markdown_it.tree import SyntaxTreeNode as Tree  # noqa: PLC0415

        parser = MarkdownIt("commonmark").enable("table")
        tree = Tree(parser.parse(body))
        self._lines = body.split("\n")
        self._found: list[dict[str, str]] = []
        self._group = ""
        self._has_boxes = any(has_box(node) for node in tree.walk() if node.type == "list_item")
        self._waiting: list[str] = []
        self._in_section = False
        self.title = ""
        self.about = ""
        for node in tree.children:
            self._block(node)
        self.about = "\n\n".join(filter(None, (self.about, *self._waiting)))
        self.has_too_many = len(self._found) > MOST_ITEMS
        self.items = self._numbered()

    def _block(self, node: SyntaxTreeNode) -> None:
        if node.type == "heading":
            self._heading(node)
        elif node.type == "table":
            self._table(node)
        elif node.type in ("bullet_list", "ordered_list") and self._holds_tasks(node):
            for item in node.children:
                self._item(item, self._group, numbered=not self._has_boxes)
        elif node.type != "hr" and not node.content.startswith("<!--"):
            self._prose(node)

    def _heading(self, node: SyntaxTreeNode) -> None:
        text = plain_text(node)
        self._in_section = False
        if node.tag == "h1" and not self.title and not self._found:
            self.title = text
        else:
            self._group = text

    def _holds_tasks(self, node: SyntaxTreeNode) -> bool:
        if self._has_boxes:
            return any(has_box(item) for item in node.walk() if item.type == "list_item")
        return node.type == "ordered_list"

    def _item(self, node: SyntaxTreeNode, group: str, *, numbered: bool) -> None:
        """Note a task with what stands under it; an item without a box only groups those below."""
        has_text = bool(node.children) and node.children[0].type == "paragraph"
        title, link = title_and_link(node.children[0]) if has_text else ("", "")
        below = " › ".join(word for word in (group, title) if word)
        is_task = numbered or has_box(node)
        if not is_task and not any(has_box(inner) for inner in node.walk() if inner.type == "list_item"):
            self._prose(node)
            return
        task = self._note(title, link, group) if is_task and title else None
        for child in node.children[has_text:]:
            if numbered or not self._below(child, below):
                self._append(task, self._source(child))

    def _below(self, node: SyntaxTreeNode, group: str) -> bool:
        """Take the tasks out of a list below an item; tell whether it was one."""
        if node.type not in ("bullet_list", "ordered_list") or not self._holds_tasks(node):
            return False
        for item in node.children:
            self._item(item, group, numbered=False)
        return True

    def _table(self, node: SyntaxTreeNode) -> None:
        rows = [[plain_text(cell) for cell in row.children] for part in node.children for row in part.children]
        heads, *bodies = rows or [[]]
        for cells in bodies:
            title, how = how_of_row(heads, cells)
            if title:
                self._append(self._note(title, "", self._group), how)

    def _prose(self, node: SyntaxTreeNode) -> None:
        """Give a text between tasks to the task above in its section, else to the one below."""
        source = self._source(node)
        if not self._found and not self._group:
            self.about = f"{self.about}\n\n{source}".strip()
        elif self._in_section:
            self._append(self._found[-1], source)
        else:
            self._waiting.append(source)

    def _note(self, title: str, link: str, group: str) -> dict[str, str]:
        task = {"title": title, "link": link, "group": group, "how": "\n\n".join(self._waiting)}
        if len(title) > LONGEST_TITLE:
            task |= {"title": title[: LONGEST_TITLE - 1] + "…", "how": f"{title}\n\n{task['how']}".strip()}
        self._waiting = []
        self._in_section = True
        self._found.append(task)
        return task

    def _append(self, task: dict[str, str] | None, text: str) -> None:
        """Put a text under `task`; where there is none, under the next one."""
        if task is None:
            self._waiting.append(text)
        else:
            task["how"] = f"{task['how']}\n\n{text}".strip()

    def _source(self, node: SyntaxTreeNode) -> str:
        """Return the Markdown of a block without the indentation of the item that it stands in."""
        start, end = node.map or (0, 0)
        lines = self._lines[start:end]
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return "\n".join(line[indent:].rstrip() for line in lines).strip("\n")

    def _numbered(self) -> tuple[Item, ...]:
        taken: set[str] = set()
        items = []
        for task in self._found[:MOST_ITEMS]:
            id_ = item_id(task["title"], taken)
            taken.add(id_)
            texts: dict[str, Any] = {"task": literal(task["title"]), "how": literal(task["how"])}
            items.append(
                Item(id=id_, options=TaskOptions(**texts, link=literal(task["link"])), group=literal(task["group"]))
            )
        return tuple(items)

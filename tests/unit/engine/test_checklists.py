"""The checklist of a run as a Markdown file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from markdown_it import MarkdownIt

from opsrunner.engine.checklists import write_markdown
from opsrunner.model.person import Person
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.site import MailSettings, Site
from opsrunner.model.task import Evidence, Task, TaskKind, TaskStatus

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
ROUTINE = Routine(id="nightly", name="Nightly *work*", accountable="sysadmin")
RUN = Run(
    id=7,
    routine="nightly",
    nominal_at=datetime(2026, 11, 19, 23, 30, tzinfo=UTC),
    planned_at=None,
    trigger=Trigger.SCHEDULE,
    status=RunStatus.WAITING,
    created_at=NOW,
)
SITE = Site(
    root=Path("/nowhere"),
    name="Example Hosting",
    timezone="Europe/Oslo",
    people={"ops1": Person(id="ops1", name="First technician", email="ops1@example.com")},
    mail=MailSettings(from_="ops@example.com"),
)
OPEN = Task(
    id=12,
    kind=TaskKind.ROUTINE,
    status=TaskStatus.OPEN,
    run=7,
    routine="nightly",
    step="ask",
    item="ask.a",
    key=None,
    title="Read the report",
    role="sysadmin",
    due_at=NOW,
    opened_at=NOW,
)
CLOSED = replace(OPEN, closed_at=NOW, closed_by="ops1", evidence=Evidence(note="all there"))


def test_it_writes_marks_people_and_notes_under_their_headings(tmp_path: Path) -> None:
    tasks = [
        replace(CLOSED, status=TaskStatus.DONE),
        replace(CLOSED, status=TaskStatus.NOT_APPLICABLE, group="Web"),
        replace(CLOSED, status=TaskStatus.COULD_NOT, group="Web"),
        replace(CLOSED, status=TaskStatus.MISSED, group="Web", closed_by="opsrunner", evidence=Evidence()),
        replace(OPEN, group="Mail"),
    ]
    path = write_markdown(tmp_path, RUN, ROUTINE.name, tasks, SITE, NOW)
    assert path.relative_to(tmp_path).as_posix() == "checklists/nightly/2026-11-20-run7.md"
    assert path.read_text() == (
        "# Nightly \\*work\\*, Fri 20 Nov 2026\n"
        "\n"
        "Run 7, 4 of 5 closed. Written Fri 20 Nov 07:00.\n"
        "\n"
        "- [x] Read the report (First technician, Fri 20 Nov 07:00, all there)\n"
        "\n"
        "## Web\n"
        "\n"
        "- [x] ~~Read the report~~ (not applicable, First technician, Fri 20 Nov 07:00, all there)\n"
        "- [ ] Read the report (could not be done, First technician, Fri 20 Nov 07:00, all there)\n"
        "- [ ] Read the report (missed, opsrunner, Fri 20 Nov 07:00)\n"
        "\n"
        "## Mail\n"
        "\n"
        "- [ ] Read the report (task 12, sysadmin, due Fri 20 Nov 07:00)\n"
    )


def test_data_stays_text_whatever_signs_it_holds(tmp_path: Path) -> None:
    title = "<img src=x onerror=y> [x](javascript:1) `a` **b** #h\n# Heading\n- [x] forged &lt; | ~~s~~ \\"
    path = write_markdown(tmp_path, RUN, ROUTINE.name, [replace(OPEN, title=title)], SITE, NOW)
    html = MarkdownIt("commonmark", {"html": True}).enable(["strikethrough", "table"]).render(path.read_text())
    shown = "&lt;img src=x onerror=y&gt; [x](javascript:1) `a` **b** #h # Heading - [x] forged &amp;lt; | ~~s~~ \\"
    assert f"<li>[ ] {shown} (task 12, sysadmin, due Fri 20 Nov 07:00)</li>" in html
    assert html.count("<li>") == html.count("<h1>") == 1


def test_the_file_is_for_its_owner_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    first = write_markdown(tmp_path, RUN, ROUTINE.name, [OPEN], SITE, NOW)
    second = write_markdown(tmp_path, RUN, ROUTINE.name, [replace(CLOSED, status=TaskStatus.DONE)], SITE, NOW)
    assert first == second
    assert [path.name for path in first.parent.iterdir()] == ["2026-11-20-run7.md"]
    assert first.stat().st_mode & 0o777 == 0o600
    assert "[x]" in first.read_text()

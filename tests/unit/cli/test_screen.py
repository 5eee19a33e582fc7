"""Plain answers: aligned, clean, without a colour."""

import pytest

from opsrunner.cli.screen import Cell, Column, Screen


def test_columns_are_aligned_whatever_the_width_of_letters(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table(
        [Column(title="name"), Column(title="count", right=True), Column(title="note")],
        [("日本", "1", "two letters, four cells wide"), ("Fjøs", "1,000", "")],
    )

    assert capsys.readouterr().out.splitlines() == [
        "name  count  note",
        "日本      1  two letters, four cells wide",
        "Fjøs  1,000",
    ]


def test_a_column_without_a_value_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table([Column(title="a"), Column(title="b"), Column(title="c")], [("1", "", "3")])

    assert capsys.readouterr().out == "a  c\n1  3\n"


def test_data_cannot_colour_or_break_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.line("host \x1b[31mweb1\ndown", tone="failed", sign=True)
    screen.heading("[bold]title[/bold]\x07")
    screen.table([Column()], [(Cell(text="a\nb\x1b]0;x\x07", tone="failed"),)])

    assert capsys.readouterr().out.splitlines() == [
        "✕ host \\x1b[31mweb1 down",
        "[bold]title[/bold]\\x07",
        "a b\\x1b]0;x\\x07",
    ]


def test_a_line_keeps_its_indent(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().line("  indented")
    Screen().line()

    assert capsys.readouterr().out == "  indented\n\n"


def test_a_text_written_in_pieces_ends_its_last_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.write("half")
    screen.end_line()
    screen.write("whole\n")
    screen.end_line()

    assert capsys.readouterr().out == "half\nwhole\n"


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (60, ["host   what", "web17  a long text that has to wrap somewhere, and does"]),
        (24, ["web17", "  what a long text that", "  has to wrap somewhere,", "  and does"]),
    ],
)
def test_a_terminal_that_is_too_narrow_gets_a_line_for_each_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, lines: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen()
    screen.is_terminal = True
    columns = [Column(title="host"), Column(title="what", grows=True)]
    screen.table(columns, [("web17", "a long text that has to wrap somewhere, and does")])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == lines

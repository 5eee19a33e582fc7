import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.sources import csv_file

Read = Callable[..., tuple[Row, ...]]


def orders(**where: str) -> Source:
    return Source(name="orders", kind="csv", where={"path": "orders.csv", **where})


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a;b\r\n1;2,5\r\n", [{"a": "1", "b": "2,5"}]),  # as spreadsheets of half of Europe write
        (b"a\tb\n1\t2\n", [{"a": "1", "b": "2"}]),
        (b"a\n1\n", [{"a": "1"}]),
        (b'"a;x;y",b\n1,2\n', [{"a;x;y": "1", "b": "2"}]),  # quoted semicolons part nothing
        (b"\xef\xbb\xbfa,b\n1,2\n", [{"a": "1", "b": "2"}]),  # a byte order mark
        ("a,b\n1,æ\n".encode("utf-16"), [{"a": "1", "b": "æ"}]),  # "Unicode text" of spreadsheets
        (b"\n a , b \n\n1, 2 \n\n", [{"a": "1", "b": " 2 "}]),  # blank lines; only names are trimmed
        (b'a,b\n"x\ny","say ""hi"""\n', [{"a": "x\ny", "b": 'say "hi"'}]),
        (b"a,b\n", []),
    ],
)
def test_it_finds_out_how_a_file_is_written(data: bytes, rows: list[Row], tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_bytes(data)

    assert list(read(orders())) == rows


def test_what_is_not_utf8_is_read_as_latin1_with_a_warning(
    tmp_path: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "orders.csv").write_bytes("a,b\n1,2\n3,blåbær\n".encode("latin-1"))

    with caplog.at_level(logging.WARNING):
        rows = read(orders())

    assert rows[1]["b"] == "blåbær"
    assert caplog.messages == ["orders.csv:3: not UTF-8, read as Latin-1; give the source its encoding"]


def test_a_given_delimiter_and_encoding_are_taken(tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_bytes("a|b,c\n1|€\n".encode("cp1252"))

    assert read(orders(delimiter="|", encoding="cp1252")) == ({"a": "1", "b,c": "€"},)


def test_a_decimal_comma_is_read_where_the_source_says_so(tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_text("amount\n1.234,50\n")
    column = (Column(name="amount", type="number"),)

    with pytest.raises(StepFailed, match=r"orders.csv:2: column 'amount': '1.234,50' is not a number; a decimal comma"):
        read(Source(name="orders", kind="csv", where={"path": "orders.csv", "delimiter": ";"}, columns=column))
    where = {"path": "orders.csv", "delimiter": ";", "decimal": ","}
    rows = read(Source(name="orders", kind="csv", where=where, columns=column), where={"amount": {"above": "1000,25"}})
    assert rows == ({"amount": 1234.5},)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "orders.csv: is empty; a header line is needed"),
        (b"\n\n", "orders.csv: is empty; a header line is needed"),
        (b"a,b\n1,2\n\n1,2,3\n", "orders.csv:4: has 3 cells, the header 2"),
        (b"a,b\n1\n", "orders.csv:2: has 1 cells, the header 2"),
        (b"a,,b\n", "orders.csv:1: column 2 of the header has no name"),
        (b"a,b,a\n", "orders.csv:1: the header has 'a' twice"),
        (b'a,b\n"1,2\n3,4\n', "orders.csv:2: unexpected end of data"),  # a quote that is never closed
        (b'a,b\n"1"x,2\n', "orders.csv:2: ',' expected after '\"'"),
        (b"a,b\n1,\0\n", "orders.csv: has NUL characters; it is not a text file"),
    ],
)
def test_a_file_that_is_not_whole_is_named_by_line(data: bytes, message: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_bytes(data)

    with pytest.raises(StepFailed) as failed:
        read(orders())
    assert failed.value.message == message


@pytest.mark.parametrize("query", [{}, {"where": {"amounts": 1}}, {"order_by": "amounts"}])
def test_a_header_of_several_lines_is_told_on_one(query: dict[str, Any], tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_text('"amount\nFINE: all is well\x1b[31m",b\n1,2\n')
    columns = () if query else (Column(name="number", type="text"),)
    with pytest.raises(StepFailed, match="amount FINE: all is well") as failed:
        read(Source(name="orders", kind="csv", where={"path": "orders.csv"}, columns=columns), **query)
    assert failed.value.message.isprintable()


def test_a_record_over_several_lines_is_named_by_its_first(tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_text('note,amount\n"one\ntwo",1\n"three\nfour",x\n')
    source = Source(
        name="orders", kind="csv", where={"path": "orders.csv"}, columns=(Column(name="amount", type="number"),)
    )

    with pytest.raises(StepFailed, match=r"^orders.csv:4: column 'amount': 'x' is not a number$"):
        read(source)


def test_a_missing_file_may_come_later_and_is_tried_again(tmp_path: Path, read: Read) -> None:
    with pytest.raises(StepFailed, match=r"^orders.csv: there is no such file$") as failed:
        read(orders())
    assert not failed.value.permanent


@pytest.mark.parametrize("path", ["../orders.csv", "data/../../orders.csv", ".."])
def test_a_relative_path_does_not_leave_the_site(path: str, tmp_path: Path, read: Read) -> None:
    (tmp_path.parent / "orders.csv").write_text("a\n1\n")

    with pytest.raises(StepFailed, match="leaves the site's folder"):
        read(orders(path=path))


def test_an_absolute_path_is_the_authors_choice(tmp_path_factory: pytest.TempPathFactory, read: Read) -> None:
    elsewhere = tmp_path_factory.mktemp("export") / "orders.csv"
    elsewhere.write_text("a\n1\n")

    assert read(orders(path=str(elsewhere))) == ({"a": "1"},)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, read: Read) -> None:
    with (tmp_path / "orders.csv").open("wb") as file:
        file.truncate(csv_file.LIMIT_BYTES + 1)

    with pytest.raises(StepFailed, match="has 50,000,001 bytes; a source may have 50,000,000"):
        read(orders())


def test_an_unknown_encoding_is_an_error(tmp_path: Path, read: Read) -> None:
    (tmp_path / "orders.csv").write_text("a\n")

    with pytest.raises(StepFailed, match="there is no encoding 'utf8000'"):
        read(orders(encoding="utf8000"))


def test_sql_is_not_spoken(tmp_path: Path, read: Read) -> None:
    with pytest.raises(StepFailed, match="orders: a csv source speaks no SQL; use where"):
        read(orders(), sql="select 1")

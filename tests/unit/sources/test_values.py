from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.sources.values import BadValue, ColumnType, parse_value, plain_value, relative_moment, value_reader

OSLO = ZoneInfo("Europe/Oslo")


def utc(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "type_", "value"),
    [
        ("  kept as it is ", "text", "  kept as it is "),
        (7, "text", "7"),  # a database's number in a column of texts
        ("42", "number", 42),
        (" -3.50 ", "number", -3.5),
        ("007", "number", 7),
        ("1e3", "number", 1000.0),
        (2.5, "number", 2.5),
        ("2026-11-21", "date", date(2026, 11, 21)),
        ("2026-11-21T10:00:00Z", "moment", utc(2026, 11, 21, 10)),
        ("2026-11-21 10:00", "moment", utc(2026, 11, 21, 9)),  # no zone: the source's
        ("2026-07-01 10:00", "moment", utc(2026, 7, 1, 8)),  # summer time there
        ("2026-11-21", "moment", utc(2026, 11, 20, 23)),  # a day is its beginning
        ("2026-11-21T10:00:00.25+0300", "moment", datetime(2026, 11, 21, 7, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-21 10:00:00 +03:00", "moment", utc(2026, 11, 21, 7)),
        ("2026-10-25 02:30", "moment", utc(2026, 10, 25, 0, 30)),  # the hour that comes twice: its first
        (Decimal("99.50"), "number", 99.5),
        (Decimal("12.00"), "number", 12),
        (Decimal("12.00"), "text", "12.00"),
        (Decimal("1E+3"), "text", "1000"),
        (datetime(2026, 11, 21, 10), "moment", utc(2026, 11, 21, 9)),  # of a database that knows no zone
        (datetime(2026, 11, 21, 10, tzinfo=UTC), "moment", utc(2026, 11, 21, 10)),
        (date(2026, 11, 21), "date", date(2026, 11, 21)),
        (b"\xc3\xa6", "text", "æ"),  # a column that its database calls binary
        (b"\x01", "flag", True),  # a bit
        ("Yes", "flag", True),
        (0, "flag", False),
        (True, "flag", True),
    ],
)
def test_it_reads_a_value_as_its_column_says(raw: Any, type_: ColumnType, value: Any) -> None:
    read = parse_value(raw, type_, zone=OSLO)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("raw", "type_", "message"),
    [
        ("31.02.2026", "moment", "'31.02.2026' is not a moment"),
        ("2026-02-31", "moment", "'2026-02-31' is not a moment"),
        ("2026-02-31", "date", "'2026-02-31' is not a date"),
        ("2026-11-21T10:00", "date", "'2026-11-21T10:00' is not a date"),
        (1763719200, "moment", "1763719200 is not a moment"),  # seconds or milliseconds? not a guess
        ("20261121", "moment", "'20261121' is not a moment"),
        ("0001-01-01 00:00", "moment", "'0001-01-01 00:00' is not a moment"),  # before the first year in UTC
        ("1.234,50", "number", "'1.234,50' is not a number; a decimal comma needs `decimal: \",\"` at the source"),
        ("1,5", "number", "'1,5' is not a number; a decimal comma needs `decimal: \",\"` at the source"),
        ("1,234.50", "number", "'1,234.50' is not a number"),
        ("nan", "number", "'nan' is not a number"),
        ("1e999", "number", "'1e999' is not a finite number"),
        ("٣", "number", "'٣' is not a number"),  # a digit to Python's int()
        ("12 kr", "number", "'12 kr' is not a number"),
        (True, "number", "True is not a number"),
        ("maybe", "flag", "'maybe' is not a flag (true or false, yes or no, 1 or 0)"),
        (2, "flag", "2 is not a flag (true or false, yes or no, 1 or 0)"),
        ({"a": 1}, "text", "{'a': 1} is not a text"),
        (False, "text", "False is not a text"),
        (
            datetime(2026, 11, 21),
            "date",
            "2026-11-21 00:00:00 is a moment; declare it so, or leave its hours out by SQL",
        ),
        (b"\xff\x00", "text", "holds bytes, not text; leave it out by SQL"),
        (b"\x02", "flag", "b'\\x02' is not a flag (true or false, yes or no, 1 or 0)"),
        (Decimal("NaN"), "number", "NaN is not a finite number"),
        ("2026-00-00", "date", "'2026-00-00' is not a date"),
        ("x" * 200, "number", f"'{'x' * 59}… is not a number"),
        ("9" * 5000, "number", f"'{'9' * 59}… is too long for a number"),
    ],
)
def test_it_names_what_is_wrong_and_guesses_nothing(raw: Any, type_: ColumnType, message: str) -> None:
    with pytest.raises(BadValue) as bad:
        parse_value(raw, type_, zone=OSLO)
    assert str(bad.value) == message


@pytest.mark.parametrize("raw", [None, "", "  \t", "0000-00-00", " 0000-00-00 00:00:00", "0000-00-00T00:00:00.000"])
def test_what_is_empty_is_none_or_an_error(raw: Any) -> None:
    assert value_reader("moment", optional=True, zone=OSLO)(raw) is None

    with pytest.raises(BadValue, match=r"^is empty.*; declare it as 'moment\?' where that may be$"):
        value_reader("moment", optional=False, zone=OSLO)(raw)


def test_noughts_are_a_text_in_a_column_of_texts() -> None:
    assert value_reader("text", optional=True, zone=OSLO)("0000-00-00") == "0000-00-00"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (None, None),
        (True, True),
        (Decimal("1.5"), 1.5),
        (datetime(2026, 7, 1, 10), utc(2026, 7, 1, 8)),
        (date(2026, 7, 1), date(2026, 7, 1)),
        ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
        (timedelta(hours=2), "2:00:00"),
        (memoryview(b"abc"), "abc"),
    ],
    ids=lambda item: "memoryview" if isinstance(item, memoryview) else repr(item),
)
def test_what_nobody_declared_becomes_what_a_row_may_hold(raw: Any, value: Any) -> None:
    assert plain_value(raw, OSLO) == value


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("1.234,50", 1234.5),
        ("1 234 567,5", 1234567.5),
        ("1\u00a0234", 1234),  # the space that spreadsheets write
        ("1.234", 1234),
        ("-12,75", -12.75),
        ("1234567", 1234567),
    ],
)
def test_a_declared_decimal_comma_is_read(raw: str, value: float) -> None:
    assert parse_value(raw, "number", zone=OSLO, decimal=",") == value


@pytest.mark.parametrize("raw", ["12.34", "1,234,567", "1.23.456", "1,5,5", ",5"])
def test_what_a_decimal_comma_does_not_allow_is_still_an_error(raw: str) -> None:
    with pytest.raises(BadValue, match="is not a number"):
        parse_value(raw, "number", zone=OSLO, decimal=",")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", utc(2026, 10, 26, 12)),
        ("today", utc(2026, 10, 25, 23)),  # midnight in Oslo
        ("-90m", utc(2026, 10, 26, 10, 30)),
        ("+4h", utc(2026, 10, 26, 16)),
        ("-2d", utc(2026, 10, 24, 11)),  # the same wall-clock time, before the clock went back
        ("-1w", utc(2026, 10, 19, 11)),
        ("tomorrow", None),
        ("2026-10-26", None),
        ("-d", None),
    ],
)
def test_moments_relative_to_now(text: str, moment: datetime | None) -> None:
    assert relative_moment(text, now=utc(2026, 10, 26, 12), zone=OSLO) == moment

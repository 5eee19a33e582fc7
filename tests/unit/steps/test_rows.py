"""Output that becomes rows."""

from __future__ import annotations

import json

import pytest

from opsrunner.errors import StepFailed
from opsrunner.steps.rows import ROWS_LIMIT_BYTES, parse_rows

ROWS: list[tuple[str, bytes, list[dict[str, object]]]] = [
    ("json", b'[{"a": 1}, {"a": null}]', [{"a": 1}, {"a": None}]),
    ("json", b'{"a": "x"}', [{"a": "x"}]),
    ("json", b"[]", []),
    ("json", b'[{"a": ' + b"[" * 98 + b"]" * 98 + b"}]", [{"a": json.loads("[" * 98 + "]" * 98)}]),
    (
        "csv",
        b'number,name\n7,Kari\n8,"a, b\nc"\n',
        [{"number": "7", "name": "Kari"}, {"number": "8", "name": "a, b\nc"}],
    ),
    # a spreadsheet's byte order mark, line ends of another system, an empty line at the end
    ("csv", b"\xef\xbb\xbfa\r\n1\r\n\r\n", [{"a": "1"}]),
    ("csv", b"a,b\n", []),
    ("lines", b"one\r\ntwo\n\n", [{"line": "one"}, {"line": "two"}]),
    ("lines", b"", []),
    # a line separator of Unicode is no line end, and what is no text is replaced
    ("lines", "a\u2028b\n".encode() + b"\xff\x00\n", [{"line": "a\u2028b"}, {"line": "\ufffd\ufffd"}]),
]


@pytest.mark.parametrize(("kind", "data", "rows"), ROWS)
def test_it_reads_rows(kind: str, data: bytes, rows: list[dict[str, object]]) -> None:
    assert list(parse_rows(data, kind)) == rows


MISTAKES = [
    ("json", b'[{"a": 1},\n {"a" 2}]', "the output is not JSON: line 2, column 7: Expecting ':' delimiter"),
    ("json", b"", "the output is not JSON: line 1, column 1: Expecting value"),
    ("json", b"[1]", "row 1 of the JSON output is not an object but 1"),
    ("json", b'[{"a": NaN}]', "the output is not usable JSON: NaN is no number of JSON"),
    ("json", b"[" * 100_000, "nested too deeply"),
    ("json", b'[{"$a": ' + b"[" * 600 + b"]" * 600 + b"}]", "the output is not usable JSON: it is nested too deeply"),
    ("json", b"[" + b"9" * 10_000 + b"]", "the output is not usable JSON"),
    ("json", b'[{"a": "\xff"}]', "line 1 of the output is not UTF-8 text (byte 9)"),
    ("csv", b"", "the output is not CSV: there is no header line"),
    ("csv", b"a,b\n1,2\n3\n", "line 3 of the CSV output has 1 cells, the header 2"),
    ("csv", b"a,a\n", "column 2 of the CSV header: 'a' stands there twice"),
    ("csv", b"a,,b\n", "column 2 of the CSV header has no name"),
    ("csv", b'a\n"x', "line 2 of the CSV output"),
    ("csv", b"a\n" + b"x" * 200_000 + b"\n", "field larger than field limit"),
    ("lines", b"x\n" * 100_001, "the output has 100,001 rows; 100,000 are the most"),
    ("lines", b"x" * (ROWS_LIMIT_BYTES + 1), "longer than the 8,000,000 bytes that may become rows"),
]


@pytest.mark.parametrize(("kind", "data", "message"), MISTAKES, ids=[message[:40] for _, _, message in MISTAKES])
def test_it_says_where_the_output_is_wrong(kind: str, data: bytes, message: str) -> None:
    with pytest.raises(StepFailed) as caught:
        parse_rows(data, kind)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200

from hypothesis import given
from hypothesis import strategies as st

from opsrunner.fleet.capture import Capture


def captured(chunks: list[bytes], *, limit_bytes: int) -> Capture:
    capture = Capture(limit_bytes)
    for chunk in chunks:
        capture.add(chunk)
    return capture


def test_it_keeps_head_and_tail_and_tells_what_is_missing() -> None:
    capture = captured([b"abcdef", b"ghij", b"klmnop"], limit_bytes=6)

    assert capture.content() == "abc\n[… 10 bytes left out …]\nnop".encode()
    assert capture.truncated


@given(st.lists(st.binary(max_size=50)), st.integers(2, 60))
def test_whatever_the_chunks_nothing_is_lost_below_the_limit_and_the_ends_are_kept_above(
    chunks: list[bytes], limit_bytes: int
) -> None:
    whole = b"".join(chunks)
    capture = captured(chunks, limit_bytes=limit_bytes)
    content = capture.content()

    assert capture.truncated == (len(whole) > limit_bytes)
    if not capture.truncated:
        assert content == whole
    else:
        half = limit_bytes // 2
        assert content.startswith(whole[:half])
        assert content.endswith(whole[len(whole) - (limit_bytes - half) :])
        assert f"{len(whole) - limit_bytes} bytes left out".encode() in content

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from opsrunner.fleet.capture import Capture
from opsrunner.secrets import MASK, Vault


def captured(chunks: list[bytes], *, limit_bytes: int, vault: Vault | None = None) -> Capture:
    capture = Capture(limit_bytes, vault=vault or Vault(Path()))
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


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 13), st.integers(2, 60))
def test_no_cut_and_no_piece_leaves_a_part_of_a_secret(before: int, after: int, piece: int, limit_bytes: int) -> None:
    vault = Vault(Path())
    vault.remember("qwertzuiop")
    whole = b"." * before + b"qwertzuiop" + b"." * after
    chunks = [whole[start : start + piece] for start in range(0, len(whole), piece)]

    kept = captured(chunks, limit_bytes=limit_bytes, vault=vault).content()

    lines = [line for line in kept.split(b"\n") if b"left out" not in line]
    assert set(b"".join(lines)) <= set(b"." + MASK.encode())

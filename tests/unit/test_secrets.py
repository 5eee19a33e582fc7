import base64
import json
import shlex
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from opsrunner.errors import SecretUnavailable
from opsrunner.secrets import MASK, SecretRef, Vault

SECRET = "pa\"ss\\w0rd 'x' <é>/%$"


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        repr(SECRET)[1:-1],
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        shlex.quote(SECRET)[1:-1],
        SECRET.replace("'", "'\\''"),  # bash, set -x
        SECRET.replace('"', '""'),  # CSV
        urllib.parse.quote_plus(SECRET),  # a form
        urllib.parse.quote(SECRET).lower(),
        json.dumps(SECRET).replace("/", "\\/")[1:-1],  # PHP
        json.dumps(SECRET, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")[1:-1],  # Go
        "pa&quot;ss\\w0rd &#x27;x&#x27; &lt;é&gt;/%$",  # HTML
    ],
)
def test_a_secret_is_masked_however_a_program_writes_it(written: str) -> None:
    vault = Vault(Path())
    vault.remember(SECRET)

    assert vault.mask(f"before {written} after") == f"before {MASK} after"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "u:", "ops:", "user:"])
@pytest.mark.parametrize("after", ["", "\n", "yz"])
def test_a_secret_is_masked_in_base64_whatever_stands_around_it(
    encode: Callable[[bytes], bytes], before: str, after: str
) -> None:
    """HTTP's basic sign-in is `user:password` in base64, and `curl -v` prints it."""
    vault = Vault(Path())
    vault.remember(SECRET)

    written = encode(f"{before}{SECRET}{after}".encode()).decode()
    left = vault.mask(f"Authorization: Basic {written}")

    assert left.startswith("Authorization: Basic ")
    assert MASK in left
    assert len(left.replace(MASK, "")) < len("Authorization: Basic ") + 15
    assert Vault(Path()).mask(written) == written


def test_each_line_of_a_long_secret_is_one() -> None:
    vault = Vault(Path())
    vault.remember("first line\nsecond line\nab")

    assert vault.mask("second line, first line\nsecond line\nab, ab") == f"{MASK}, {MASK}, ab"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_a_stream_is_masked_whatever_its_pieces(size: int) -> None:
    vault = Vault(Path())
    vault.remember("sesame")
    stream = vault.stream()
    data = b"ses sesame sesamesesame ses"

    out = b"".join(stream.feed(data[start : start + size]) for start in range(0, len(data), size)) + stream.finish()

    assert out.decode() == f"ses {MASK} {MASK}{MASK} ses"


def test_a_secret_with_nothing_in_it_is_said_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "empty").chmod(0o600)
    monkeypatch.setenv("EMPTY", "")
    vault = Vault(tmp_path)

    for reference, why in {
        SecretRef(env="EMPTY"): "the variable EMPTY is not set",
        SecretRef(file="empty"): "is empty",
        SecretRef(command=("true",)): "it printed nothing",
    }.items():
        with pytest.raises(SecretUnavailable, match=why):
            vault.resolve(reference)

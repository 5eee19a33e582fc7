"""Streams encrypted for age's public keys (age-encryption.org/v1), and back. Needs the extra `age`.

pyrage reads from a file and writes into another; here that goes on in a thread, so that both sides stay streams.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from opsrunner.errors import ArchiveDamaged, ConfigurationError, Refused

SUFFIX = ".age"
_PIECE_BYTES = 1 << 20
_AHEAD = 2
_LOOK_SECONDS = 0.2
_NO_KEY = "No matching keys found"


def read_recipients(recipients: Sequence[str]) -> list[Any]:
    """Return age's public keys as pyrage takes them.

    Raises ConfigurationError where one is none, or pyrage is missing.
    """
    pyrage = _pyrage()
    try:
        return [pyrage.x25519.Recipient.from_str(recipient.strip()) for recipient in recipients]
    except pyrage.RecipientError as exc:
        raise ConfigurationError(
            "a recipient of the backup is no public key of age; give what `age-keygen -y` prints: age1…"
        ) from exc


def read_identities(identities: Sequence[str]) -> list[Any]:
    """Return age's secret keys as pyrage takes them, out of texts as age-keygen writes them.

    Raises ConfigurationError where there is none in one of them, or pyrage is missing. No message holds one.
    """
    pyrage = _pyrage()
    lines = [line.strip() for text in identities for line in text.splitlines()]
    try:
        return [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        # The error it came from is left out: it may quote what it read.
        raise ConfigurationError(
            "what was given as an identity is no secret key of age; give the file that age-keygen wrote"
        ) from None


def encrypt(chunks: Iterable[bytes], recipients: Sequence[Any]) -> Iterator[bytes]:
    """Yield a stream encrypted for each of the recipients. What `chunks` raises comes back."""
    pyrage = _pyrage()
    return _through(chunks, lambda flow: pyrage.encrypt_io(flow, flow, list(recipients)))


def decrypt(chunks: Iterable[bytes], identities: Sequence[str]) -> Iterator[bytes]:
    """Yield what was encrypted. What `chunks` raises comes back.

    Raises Refused where no identity opens it, ArchiveDamaged where it is not what was encrypted or is cut short.
    """
    pyrage, keys = _pyrage(), read_identities(identities)
    if not keys:
        raise Refused("the copy is encrypted; give the identity (secret key of age) of one of its recipients")

    def act(flow: _Flow) -> None:
        try:
            pyrage.decrypt_io(flow, flow, keys)
        except (pyrage.DecryptError, OSError) as exc:
            if _NO_KEY in str(exc):
                raise Refused("no identity that was given opens the copy: it was encrypted for other ones") from exc
            raise ArchiveDamaged("the copy does not decrypt: it is cut short, or was changed") from exc

    return _through(chunks, act)


def _pyrage() -> ModuleType:
    try:
        import pyrage  # noqa: PLC0415 (an extra: most sites do without)
    except ImportError as exc:
        raise ConfigurationError("encrypted copies need the extra `age`: pip install 'opsrunner[age]'") from exc
    module: ModuleType = pyrage
    return module


def _through(chunks: Iterable[bytes], act: Callable[[_Flow], object]) -> Iterator[bytes]:
    """Yield what `act` writes of what it reads, while it works in a thread; leave no thread behind."""
    flow = _Flow(chunks)
    thread = threading.Thread(target=flow.run, args=(act,), name="age", daemon=True)
    thread.start()
    try:
        while (piece := flow.written.get()) is not None:
            yield piece
    finally:
        flow.stopping.set()
        thread.join()
    if flow.error is not None:
        raise flow.error


class _Stopped(Exception):
    """Nobody takes the rest."""


class _Flow:
    """Both files that pyrage works with: pieces that come, and a short queue of what it made of them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self._made = bytearray()
        self.written: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self.stopping = threading.Event()
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, `size` at the most; b'' at the end."""
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
        except StopIteration:
            return b""
        except BaseException as exc:
            self.error = exc  # pyrage would only pass on its words
            raise
        end = len(self._rest) if size < 0 else size
        part, self._rest = self._rest[:end], self._rest[end:]
        return bytes(part)

    def write(self, data: bytes) -> int:
        """Take what was made."""
        self._made += data
        if len(self._made) >= _PIECE_BYTES:
            self._hand_over(bytes(self._made))
            self._made.clear()
        return len(data)

    def flush(self) -> None:
        """It is a file to pyrage; what is left goes at the end."""

    def run(self, act: Callable[[_Flow], object]) -> None:
        """Let `act` read and write, and mark the end."""
        try:
            act(self)
            self._hand_over(bytes(self._made))
        except BaseException as exc:  # noqa: BLE001 (it belongs to who takes what is made)
            self.error = self.error or exc
        try:
            self._hand_over(None)
        except _Stopped:
            return

    def _hand_over(self, piece: bytes | None) -> None:
        while not self.stopping.is_set():
            try:
                self.written.put(piece, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return
        raise _Stopped

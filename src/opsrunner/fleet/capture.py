"""Output that never outgrows its cap: the head and the tail of a stream are kept."""

from __future__ import annotations

from opsrunner.secrets import Vault


class Capture:
    """Keeps at most `limit_bytes` of a stream: its first half and its last.

    Known secrets are masked before anything is left out, so that no cut leaves a part of one.
    """

    def __init__(self, limit_bytes: int, *, vault: Vault) -> None:
        self._mask = vault.stream()
        self._head_limit = limit_bytes // 2
        self._tail_limit = limit_bytes - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    @property
    def truncated(self) -> bool:
        """Tell whether something was left out."""
        return self._left_out > 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        self._keep(self._mask.feed(chunk))

    def content(self) -> bytes:
        """Return what was kept, with a line in the gap that says how much is missing. The stream has ended."""
        self._keep(self._mask.finish())
        self._drop_middle()
        if not self.truncated:
            return bytes(self._head + self._tail)
        note = f"\n[… {self._left_out} bytes left out …]\n".encode()
        return bytes(self._head) + note + bytes(self._tail)

    def _keep(self, chunk: bytes) -> None:
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        self._tail += chunk
        if len(self._tail) > 2 * self._tail_limit:
            self._drop_middle()

    def _drop_middle(self) -> None:
        excess = len(self._tail) - self._tail_limit
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

"""The SFTP protocol, version 3 (draft-ietf-secsh-filexfer-02), as far as a store of copies needs it.

Paramiko's own client has no bound on what is under way, starts threads that print what they trip over, and knows
neither fsync nor how much room is left. Its channels carry this one.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from paramiko import Channel
from paramiko.ssh_exception import SSHException

from opsrunner.records import dataclass

VERSION = 3
SEND_BYTES = 1 << 15
RECEIVE_BYTES = 1 << 18
LONGEST_ANSWER_BYTES = 1 << 20
"""An answer that claims to be longer is none: something else talks there."""


class Kind(IntEnum):
    """What a packet is; the numbers are the protocol's."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRIBUTES = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """How a request ended that brings nothing but its end."""

    OK = 0
    END = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    UNSUPPORTED = 8


class Refusal(Exception):
    """The server did not do what was asked; the connection is as good as before."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Broken(Exception):
    """The server is silent, gone, or talks of something else; nothing more can be asked on this channel."""


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What a server tells of a file."""

    size_bytes: int = 0
    mode: int = 0
    """Type and permissions, as in stat(2)."""
    modified_at: int = 0
    """Seconds since 1970, UTC."""


class Fields:
    """Reads the fields of an answer one after the other. Raises Broken where it is shorter than it says."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def number(self) -> int:
        """Read a uint32."""
        return int(self._unpack(">I"))

    def long(self) -> int:
        """Read a uint64."""
        return int(self._unpack(">Q"))

    def string(self) -> bytes:
        """Read a counted string."""
        size = self.number()
        end = self._at + size
        if end > len(self._body):
            raise Broken("it answers in half sentences")
        text = self._body[self._at : end]
        self._at = end
        return text

    def attributes(self) -> Attributes:
        """Read what is told of a file: each part is there only where its flag is set."""
        flags = self.number()
        size = self.long() if flags & 0x1 else 0
        if flags & 0x2:
            self.long()  # owner and group
        mode = self.number() if flags & 0x4 else 0
        modified = (self.number(), self.number())[1] if flags & 0x8 else 0
        for _ in range(self.number() if flags & 0x80000000 else 0):
            self.string()
            self.string()
        return Attributes(size_bytes=size, mode=mode, modified_at=modified)

    def is_over(self) -> bool:
        """Tell whether nothing is left to read."""
        return self._at >= len(self._body)

    def _unpack(self, form: str) -> int:
        try:
            value: int = struct.unpack_from(form, self._body, self._at)[0]
        except struct.error as exc:
            raise Broken("it answers in half sentences") from exc
        self._at += struct.calcsize(form)
        return value


def string(value: bytes | str) -> bytes:
    """Return a counted string as it goes over the wire."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def number(value: int) -> bytes:
    """Return a uint32."""
    return struct.pack(">I", value)


def long(value: int) -> bytes:
    """Return a uint64."""
    return struct.pack(">Q", value)


def permissions(mode: int) -> bytes:
    """Return attributes that say nothing but the permissions of what is made."""
    return number(0x4) + number(mode)


class Wire:
    """Asks, and finds the answer to each question. Answers may be waited for later, so that many are under way.

    For one thread. After Broken it is of no use any more.
    """

    def __init__(self, channel: Channel) -> None:
        """`channel` has the subsystem, and a time-out that bounds every silence. Raises Broken."""
        self._channel = channel
        self._buffer = bytearray()
        self._answers: dict[int, tuple[int, Fields]] = {}
        self._unanswered: set[int] = set()
        self._unwanted: set[int] = set()
        self._last = 0
        self.extensions = self._greet()

    def ask(self, kind: Kind, *fields: bytes) -> Fields:
        """Ask, and return what is answered. Raises Refusal, Broken."""
        return self.answer(self.send(kind, *fields))

    def send(self, kind: Kind, *fields: bytes | memoryview) -> int:
        """Ask, and return the number under which the answer will come. Raises Broken."""
        self._last = (self._last + 1) & 0xFFFFFFFF
        self._send_packet(kind, number(self._last), *fields)
        self._unanswered.add(self._last)
        return self._last

    def answer(self, asked: int) -> Fields:
        """Return the answer to a question. Raises Refusal where it is a status other than OK, Broken."""
        while asked not in self._answers:
            self._receive()
        kind, fields = self._answers.pop(asked)
        if kind == Kind.STATUS:
            code = fields.number()
            if code != Code.OK:
                raise Refusal(code, "" if fields.is_over() else fields.string().decode("utf-8", "replace"))
        return fields

    def forget(self, asked: int) -> None:
        """Let go of an answer that nobody needs any more, come or still to come."""
        if self._answers.pop(asked, None) is None:
            self._unwanted.add(asked)

    def _greet(self) -> frozenset[str]:
        self._send_packet(Kind.INIT, number(VERSION))
        kind, fields = self._read_packet()
        if kind != Kind.VERSION or fields.number() < VERSION:
            raise Broken("it does not speak SFTP 3")
        extensions = set()
        while not fields.is_over():
            extensions.add(fields.string().decode("utf-8", "replace"))
            fields.string()
        return frozenset(extensions)

    def _receive(self) -> None:
        kind, fields = self._read_packet()
        asked = fields.number()
        if asked not in self._unanswered:  # kept, such answers would fill the memory while the right one is waited for
            raise Broken("it answers what nobody asked")
        self._unanswered.discard(asked)
        if asked in self._unwanted:
            self._unwanted.discard(asked)
        else:
            self._answers[asked] = kind, fields

    def _send_packet(self, kind: Kind, *fields: bytes | memoryview) -> None:
        size = 1 + sum(len(field) for field in fields)
        left = memoryview(b"".join((number(size), bytes((kind,)), *fields)))
        try:
            while left:
                sent = self._channel.send(bytes(left[:SEND_BYTES]))
                if sent == 0:
                    raise Broken("it hung up")
                left = left[sent:]
        except (SSHException, EOFError, OSError) as exc:
            raise _broken(exc) from exc

    def _read_packet(self) -> tuple[int, Fields]:
        size = struct.unpack(">I", self._read(4))[0]
        if not 1 <= size <= LONGEST_ANSWER_BYTES:
            raise Broken("it answers with something that is not SFTP")
        packet = self._read(size)
        return packet[0], Fields(packet[1:])

    def _read(self, size: int) -> bytes:
        try:
            while len(self._buffer) < size:
                piece = self._channel.recv(RECEIVE_BYTES)
                if not piece:
                    raise Broken("it hung up")
                self._buffer += piece
        except (SSHException, EOFError, OSError) as exc:
            raise _broken(exc) from exc
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def _broken(error: Exception) -> Broken:
    if isinstance(error, TimeoutError):
        return Broken("no answer in time")
    return Broken("the connection broke off")

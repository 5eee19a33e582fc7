"""A store that speaks as much S3 as an upload needs, and keeps nothing of it but sizes and checksums.

It is no yardstick of a store, it is none: what is sent to it costs the least that receiving can. It believes the CRC32
that a request bears and answers it, and the kernel drops the bodies (MSG_TRUNC, tcp(7)) without handing them over.

python -m benchmarks.s3_sink    prints its port, and ends when its standard input does
"""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.turns import ROOT

AT_ONCE = 1 << 20
MOST_OF_HEAD = 65_536
_MODIFIED = "Mon, 23 Nov 2026 02:30:00 GMT"
_TRUNCATED = "<IsTruncated>false</IsTruncated>"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a request says before its body."""

    method: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def body_bytes(self) -> int:
        return int(self.headers.get("content-length", 0))

    @property
    def size(self) -> int:
        """What the body holds, without signatures between its pieces."""
        return int(self.headers.get("x-amz-decoded-content-length", self.body_bytes))

    @property
    def crc32(self) -> str:
        return self.headers.get("x-amz-checksum-crc32", "")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered."""

    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    length: int | None = None
    """Where it is none of the body's: a HEAD tells of what lies there."""

    def to_bytes(self) -> bytes:
        body = self.body.encode()
        length = len(body) if self.length is None else self.length
        named = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        return f"HTTP/1.1 {self.status}\r\nContent-Length: {length}\r\n{named}\r\n".encode() + body


@dataclass(frozen=True, kw_only=True)
class Object:
    """What is known of an object, or of a part of one."""

    size: int
    crc32: str

    @property
    def headers(self) -> dict[str, str]:
        tag = {"ETag": f'"{self.size:032x}-0"'}  # no MD5: that would be what costs here
        return tag | ({"x-amz-checksum-crc32": self.crc32} if self.crc32 else {})


class Sink:
    """All that was sent, by key. Safe among threads: each change is one step of a dict."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._uploads: dict[str, dict[int, Object]] = {}

    def answer(self, request: Request) -> Answer:
        """Answer a request whose body has come."""
        doing = getattr(self, f"_{request.method.lower()}", None)
        return doing(request) if doing else Answer(status="405 Method Not Allowed")

    def _get(self, request: Request) -> Answer:
        if "uploads" in request.query:
            return Answer(body=_xml("ListMultipartUploadsResult", _TRUNCATED))
        if "list-type" in request.query:
            return Answer(body=_xml("ListBucketResult", _TRUNCATED))
        return Answer(status="404 Not Found", body="<Error><Code>NoSuchKey</Code></Error>")

    def _head(self, request: Request) -> Answer:
        found = self._objects.get(request.key)
        if found is None:
            return Answer(status="404 Not Found")
        return Answer(headers=found.headers | {"Last-Modified": _MODIFIED}, length=found.size)

    def _put(self, request: Request) -> Answer:
        sent = Object(size=request.size, crc32=request.crc32)
        if "uploadId" in request.query:
            self._uploads[request.query["uploadId"]][int(request.query["partNumber"])] = sent
        else:
            self._objects[request.key] = sent
        return Answer(headers=sent.headers)

    def _post(self, request: Request) -> Answer:
        if "uploads" in request.query:
            number = f"upload-{len(self._uploads)}-{request.key}"
            self._uploads[number] = {}
            return Answer(body=_xml("InitiateMultipartUploadResult", f"<UploadId>{number}</UploadId>"))
        whole = _whole(self._uploads[request.query["uploadId"]])
        self._objects[request.key] = whole
        return Answer(body=_xml("CompleteMultipartUploadResult", f"<ETag>{whole.headers['ETag']}</ETag>"))

    def _delete(self, request: Request) -> Answer:
        self._objects.pop(request.key, None)
        return Answer(status="204 No Content")


def _whole(parts: Mapping[int, Object]) -> Object:
    """Return what parts come to; its CRC32 is that of theirs, as Amazon S3 answers it of a composite."""
    in_order = [parts[number] for number in sorted(parts)]
    joined = b"".join(base64.b64decode(part.crc32) for part in in_order)
    of_all = base64.b64encode(zlib.crc32(joined).to_bytes(4, "big")).decode()
    has_all = all(part.crc32 for part in in_order)
    return Object(size=sum(part.size for part in in_order), crc32=f"{of_all}-{len(parts)}" if has_all else "")


def _xml(name: str, inner: str) -> str:
    return f'<?xml version="1.0"?><{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'


def _serve(connection: socket.socket, sink: Sink) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    scratch = memoryview(bytearray(AT_ONCE))
    came = b""
    with connection:
        while (end := came.find(b"\r\n\r\n")) >= 0 or len(came) < MOST_OF_HEAD:
            if end < 0:
                more = connection.recv(MOST_OF_HEAD)
                if not more:
                    return
                came += more
                continue
            request = _read_head(came[:end].decode())
            came = came[end + 4 :]
            if request.headers.get("expect") == "100-continue" and not came:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if not _drop(connection, request.body_bytes - len(came), scratch):
                return
            came = came[request.body_bytes :]
            connection.sendall(sink.answer(request).to_bytes())


def _read_head(text: str) -> Request:
    first, *lines = text.split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(":", 1) for line in lines)
    parts = urlsplit(target)
    return Request(
        method=method,
        key=unquote(parts.path),
        query={name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()},
        headers={name.strip().lower(): value.strip() for name, value in headers.items()},
    )


def _drop(connection: socket.socket, size: int, scratch: memoryview) -> bool:
    """Let so many bytes pass. Return False where fewer came."""
    left = size
    while left > 0:
        passed = connection.recv_into(scratch, min(left, AT_ONCE), socket.MSG_TRUNC | socket.MSG_WAITALL)
        if not passed:
            return False
        left -= passed
    return True


@contextmanager
def sinking() -> Iterator[str]:
    """Start a sink in a process of its own; yield its endpoint."""
    command = [sys.executable, "-m", "benchmarks.s3_sink"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until standard input ends."""
    sink = Sink()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_accept, args=(listener, sink), daemon=True).start()
    sys.stdin.read()


def _accept(listener: socket.socket, sink: Sink) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, sink), daemon=True).start()


if __name__ == "__main__":
    main()

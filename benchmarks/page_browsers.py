"""Browsers that follow a run, without their screens: what page.js does, done by connections."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import signal
import sys
from collections.abc import AsyncIterator

SHOWN = re.compile(rb'data-shown="([0-9a-f]+)"')


class Browser:
    """One window: it hears of changes and of output, and looks again at each change."""

    def __init__(self, port: int, cookie: str, run: int) -> None:
        self._port, self._cookie, self._run = port, cookie, run
        self._shown = ""
        self.looks = 0
        self.heard = 0

    async def follow(self) -> None:
        """Follow until cancelled."""
        await self._look()
        await asyncio.gather(self._changes(), self._output())

    async def _changes(self) -> None:
        async for line in self._lines("/live"):
            if line.startswith(b"event: changed"):
                await self._look()

    async def _output(self) -> None:
        async for line in self._lines(f"/runs/{self._run}/output?step=run&after=0"):
            self.heard += line.startswith(b"data: ")

    async def _lines(self, path: str) -> AsyncIterator[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request(path))
        while line := await reader.readline():
            yield line

    async def _look(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request(f"/runs/{self._run}", f"X-Shown: {self._shown}\r\nAccept-Encoding: gzip\r\n"))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith((b"http/1.1 200", b"http/1.1 204")), head
        if b"content-length:" in head and b" 200 " in head[:15]:
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r", 1)[0]))
            found = SHOWN.search(gzip.decompress(body) if b"content-encoding: gzip" in head else body)
            self._shown = found[1].decode() if found else ""
        self.looks += 1
        writer.close()

    def _request(self, path: str, more: str = "") -> bytes:
        host = f"Host: 127.0.0.1:{self._port}\r\n"
        return f"GET {path} HTTP/1.1\r\n{host}Cookie: {self._cookie}\r\n{more}\r\n".encode()


async def main(told: dict[str, object], count: int) -> None:
    """Be `count` browsers until SIGTERM, then print how often they looked."""
    browsers = [Browser(int(str(told["port"])), str(told["cookie"]), int(str(told["run"]))) for _ in range(count)]
    following = asyncio.gather(*(browser.follow() for browser in browsers), return_exceptions=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    following.cancel()
    assert all(browser.heard for browser in browsers), "somebody heard nothing"
    print(sum(browser.looks for browser in browsers))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), int(sys.argv[2])))

"""A web server with feeds that answer after a while: `/NUMBER/MILLISECONDS` is a feed of its own, with an ETag.

It prints its port and serves until its standard input ends. One thread and no parsing to speak of: what is measured
beside it has the processors nearly to itself.
"""

from __future__ import annotations

import asyncio
import sys

ENTRIES = 20
WORDS = "Which panel do you use in a small shop, and would you choose it again? " * 6


def feed_of(number: str) -> bytes:
    """Return a feed of the length that forums' feeds have."""
    items = "".join(
        f"<item><title>Thread {number}-{entry}: mails &amp;amp; more</title><link>https://f{number}.example/t/{entry}</link>"
        f"<guid isPermaLink='false'>{entry}</guid><pubDate>Fri, 20 Nov 2026 10:{entry:02}:00 +0000</pubDate>"
        f"<description>&lt;p&gt;{WORDS}&lt;/p&gt;</description></item>"
        for entry in range(ENTRIES)
    )
    return f"<rss version='2.0'><channel><title>Forum {number}</title>{items}</channel></rss>".encode()


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request and hang up."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        _, number, milliseconds = head.split()[1].split("/")
        await asyncio.sleep(int(milliseconds) / 1000)
        if "if-none-match" in head.lower():
            writer.write(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")
        else:
            body = feed_of(number)
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/rss+xml\r\n"
                b'ETag: "1"\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)
            )
        await writer.drain()
        writer.close()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def main() -> None:
    """Serve on every address of loopback until nobody needs it any more."""
    server = await asyncio.start_server(serve_one, "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

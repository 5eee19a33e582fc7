"""Ask a page again and again on some connections, for some seconds; print pages a second and p99 as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.measure import percentile

CONNECTIONS = 16
WARM_SECONDS = 1.0


async def _ask(port: int, request: bytes, until: float, took: list[tuple[float, float]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head[:100]
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0])
        await reader.readexactly(length)
        took.append((began, time.perf_counter() - began))
    writer.close()


async def load(port: int, cookie: str, seconds: float) -> dict[str, float]:
    """Return what was reached, without the first moments."""
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode()
    took: list[tuple[float, float]] = []
    start = time.perf_counter() + WARM_SECONDS
    await asyncio.gather(*(_ask(port, request, start + seconds, took) for _ in range(CONNECTIONS)))
    counted = [length for began, length in took if began >= start]
    return {"per_second": len(counted) / seconds, "p99_ms": 1000 * percentile(counted, 0.99)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))))

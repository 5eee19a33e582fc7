"""Whether the SHA-256 of what is sent has to stand in its signature (Signature Version 4), beside its CRC32.

A CRC32 tells of what went wrong by chance, and the signature covers it; against somebody on the way who changes bytes
and wants the same CRC32, TLS guards them, or else their SHA-256. On the way to this machine's own store is nobody.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies


def signs_bodies(endpoint: str) -> bool:
    """Tell whether somebody else could change what is sent to `endpoint`: no TLS, and not straight to ourselves."""
    parts = urlsplit(endpoint)
    return parts.scheme != "https" and (not _is_loopback(parts.hostname or "") or bool(get_environ_proxies(endpoint)))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

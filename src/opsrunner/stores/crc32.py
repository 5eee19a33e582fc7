"""The CRC32 of bytes that follow each other, out of theirs, without reading them again.

A CRC32 is the rest of a polynomial over GF(2) (RFC 1952, 8): more bytes behind multiply it by a power of x. zlib has
this as crc32_combine, which Python does not hand on. Bit 31 stands for 1, bit 30 for x, as in zlib.
"""

from __future__ import annotations

from functools import lru_cache

_REMAINDER = 0xEDB88320
"""What x to the power of 32 leaves."""
_ONE, _X = 1 << 31, 1 << 30


def crc32_joined(first: int, second: int, second_bytes: int) -> int:
    """Return the CRC32 of bytes with `second_bytes` others behind them, out of the CRC32 of each."""
    return _product(_power_of_x(8 * second_bytes), first) ^ second


@lru_cache(maxsize=4)
def _power_of_x(exponent: int) -> int:
    power, square = _ONE, _X
    while exponent:
        if exponent & 1:
            power = _product(square, power)
        square = _product(square, square)
        exponent >>= 1
    return power


def _product(one: int, other: int) -> int:
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_REMAINDER if other & 1 else 0)
    return product

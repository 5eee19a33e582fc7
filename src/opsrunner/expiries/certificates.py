"""Certificates as they are read: when they end, whom they are for, which of several ends first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from opsrunner.expiries.names import BadName, as_address, to_ascii
from opsrunner.records import dataclass

MOST_IN_A_FILE = 12
"""With more certificates than this a file is a list of authorities, and nobody's own."""
MOST_NAMED = 3
LONGEST_NAME = 80
_PEM = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----[^-]{1,200000}-----END (?:X509 )?CERTIFICATE-----")


class NoCertificate(ValueError):
    """There is none that can be read; the message says why."""


@dataclass(frozen=True)
class Certificate:
    """One certificate."""

    parsed: x509.Certificate

    @cached_property
    def ends_at(self) -> datetime:
        """Return its last moment, in UTC."""
        return self.parsed.not_valid_after_utc

    @cached_property
    def begins_at(self) -> datetime:
        """Return its first moment, in UTC."""
        return self.parsed.not_valid_before_utc

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the DNS names that it is for, in ASCII; its common name does not count (RFC 9525, 2)."""
        alternatives = self._alternatives
        return tuple(alternatives.get_values_for_type(x509.DNSName)) if alternatives else ()

    @cached_property
    def addresses(self) -> tuple[object, ...]:
        """Return the IP addresses that it is for."""
        alternatives = self._alternatives
        return tuple(alternatives.get_values_for_type(x509.IPAddress)) if alternatives else ()

    @property
    def title(self) -> str:
        """Return what people call it: its first names, else its common name."""
        named = [*self.names, *map(str, self.addresses)] or self._common_names
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        return ", ".join(name[:LONGEST_NAME] for name in named[:MOST_NAMED]) + more

    @property
    def is_self_issued(self) -> bool:
        """Tell whether it names itself as its issuer."""
        return self.parsed.issuer == self.parsed.subject

    @cached_property
    def is_authority(self) -> bool:
        """Tell whether it may sign others."""
        try:
            return bool(self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        except (x509.ExtensionNotFound, ValueError, TypeError):
            return False

    @property
    def fingerprint(self) -> bytes:
        """Return what no other certificate has."""
        return self.parsed.fingerprint(hashes.SHA256())

    def is_for(self, host: str) -> bool:
        """Tell whether a server of that name or address may show it (RFC 9525, 6).

        A `*` stands for exactly one label, the first, and never below a top-level domain.
        """
        if address := as_address(host):
            return address in self.addresses
        try:
            wanted = to_ascii(host)
        except BadName:
            return False
        first, _, rest = wanted.partition(".")
        starred = f"*.{rest}" if first and "." in rest else ""
        return any(name.lower().removesuffix(".") in (wanted, starred) for name in self.names)

    @cached_property
    def _alternatives(self) -> x509.SubjectAlternativeName | None:
        try:
            return self.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError, TypeError):  # what is written wrong is for nobody
            return None

    @property
    def _common_names(self) -> list[str]:
        try:
            return [str(one.value) for one in self.parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        except ValueError:
            return []


def read_der(data: bytes) -> Certificate:
    """Return the certificate in DER form. Raises NoCertificate."""
    try:
        certificate = Certificate(x509.load_der_x509_certificate(data))
        certificate.ends_at, certificate.begins_at  # noqa: B018 (raises for dates that cannot be)
    except (ValueError, TypeError, OverflowError) as exc:
        raise NoCertificate("its certificate cannot be read") from exc
    return certificate


def read_file(data: bytes) -> list[Certificate]:
    """Return the certificates of a file, PEM (with whatever stands between them) or DER, in its order.

    An empty list: it holds none, or a list of authorities. Raises NoCertificate where it begins one that cannot be
    read.
    """
    if b"-----BEGIN" not in data:
        return [read_der(data)] if data[:1] == b"\x30" else []
    blocks = _PEM.findall(data)
    if not blocks and b"CERTIFICATE-----" in data and b"REQUEST-----" not in data:
        raise NoCertificate("its certificate cannot be read")
    if len(blocks) > MOST_IN_A_FILE:
        return []
    return [_read_pem(block) for block in blocks]


def ends_first(chain: Sequence[Certificate]) -> Certificate:
    """Return the certificate of a chain that ends first; of two that end together the earlier one in the chain."""
    return min(chain, key=lambda one: one.ends_at)


def chain_words(chain: Sequence[Certificate]) -> str:
    """Return what people know a chain by: whom it is for, and which of it ends first where that is not its own."""
    first = ends_first(chain)
    if first is chain[0]:
        return chain[0].title
    return f"{chain[0].title}; its issuer {first.title or 'without a name'} ends first"


def _read_pem(block: bytes) -> Certificate:
    try:
        certificate = Certificate(x509.load_pem_x509_certificate(block.replace(b"X509 CERTIFICATE", b"CERTIFICATE")))
        certificate.ends_at, certificate.begins_at  # noqa: B018 (raises for dates that cannot be)
    except (ValueError, TypeError, OverflowError) as exc:
        raise NoCertificate("its certificate cannot be read") from exc
    return certificate

"""What we ask of a server before we trust it, and how a refusal is told."""

from __future__ import annotations

import ssl

_PROTOCOL_REASONS = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"})
_PLAIN_REASONS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
_NO_ISSUER = "unable to get local issuer certificate"


def client_context(*, verify: bool = True) -> ssl.SSLContext:
    """Return what connections of ours are made with: TLS 1.2 or later, the machine's certificate authorities.

    The name has to stand among the certificate's alternative names; its common name is not looked at
    (RFC 9525, 6.3). `SSL_CERT_FILE` and `SSL_CERT_DIR` name other authorities, as OpenSSL reads them.
    Whether a certificate was revoked is not asked. Without `verify` any certificate will do.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def authorities_file() -> str:
    """Return the file of the machine's certificate authorities, '' if it has none: for libraries that open it."""
    return ssl.get_default_verify_paths().cafile or ""


def refusal(error: ssl.SSLError) -> str:
    """Say in a few words why there is no connection: what is wrong with the certificate, or with the protocol."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        hint = (
            " (signed by nobody we trust, or sent without the certificate in between)" if reason == _NO_ISSUER else ""
        )
        return f"the certificate is not valid: {reason}{hint}"
    if error.reason in _PROTOCOL_REASONS:
        return "TLS failed: nothing newer than TLS 1.1 is spoken there"
    if error.reason in _PLAIN_REASONS:
        return "TLS failed: something else is spoken there"
    return f"TLS failed: {(error.reason or 'no common ground').replace('_', ' ').lower()}"

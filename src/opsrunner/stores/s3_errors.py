"""What a person is told of an error of an S3 store: where, what, and what to do."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from opsrunner.errors import NotStored, StoreFailed, StoreRefused
from opsrunner.model.store import S3Store
from opsrunner.tls import refusal

FOREIGN = (boto.ClientError, boto.BotoCoreError, ResponseParserError, HTTPError)
"""What botocore raises; the last two it lets through of what it stands on."""
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}\Z")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,59}\Z")
_NO_ROOM = frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "ServiceQuotaExceeded"})
_SPOILT = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
_ANOTHER_TIME = frozenset({"IncompleteBody", "RequestTimeout", "NoSuchUpload"})
_WRONG_KEY = {
    "InvalidAccessKeyId": "is the access key right?",
    "SignatureDoesNotMatch": "is the secret key right?",
    "RequestTimeTooSkewed": "set the clock of this machine, or of the store",
    "AuthorizationHeaderMalformed": "is the region right?",
}
_SILENT = {
    boto.ConnectTimeoutError: "it does not answer",
    boto.ReadTimeoutError: "it does not answer in time",
    boto.ConnectionClosedError: "it broke off",
    boto.ProxyConnectionError: "the proxy of this machine's environment cannot be reached",
}


@contextmanager
def told(settings: S3Store, *, name: str = "", doing: str = "") -> Iterator[None]:
    """Raise what botocore raises as StoreFailed; `doing` is the verb that a refusal names."""
    try:
        yield
    except FOREIGN as exc:
        raise failed(exc, settings, name=name, doing=doing) from exc


def failed(error: Exception, settings: S3Store, *, name: str = "", doing: str = "") -> StoreFailed:
    """Return our error for one of botocore's."""
    where = host_of(settings)
    what = f"{name}: " if name else ""
    if isinstance(error, boto.ClientError):
        return _answered(error, settings, name=name, doing=doing)
    if isinstance(error, boto.SSLError):
        return _untrusted(error, where=where, what=what)
    if isinstance(error, ResponseParserError):
        return no_store(settings)
    return StoreFailed(f"{what}no answer from the store {where}: {_silence(error)}")


def no_store(settings: S3Store) -> StoreFailed:
    """Return the error for an answer that is none of S3's: somebody in between gave it, or another service."""
    return StoreFailed(f"{host_of(settings)} does not answer as an S3 store; is the endpoint right?")


def host_of(settings: S3Store) -> str:
    """Return host and port of a store, without a password that somebody wrote in front of them."""
    return urlsplit(settings.endpoint).netloc.rpartition("@")[2]


def require_bucket_name(settings: S3Store) -> None:
    """Raise StoreFailed where a bucket can have no such name."""
    if not _BUCKET.match(settings.bucket):
        raise StoreFailed(f"'{settings.bucket}' cannot be the name of a bucket", permanent=True)


def status_of(error: boto.ClientError) -> int:
    """Return the HTTP status of an answer; 0 where it has none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: boto.ClientError) -> str:
    """Return the word that an answer says what it is by; '' where what stands there is no word."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.match(code) else ""


def _answered(error: boto.ClientError, settings: S3Store, *, name: str, doing: str) -> StoreFailed:
    code, status, where = code_of(error), status_of(error), host_of(settings)
    if code == "NoSuchBucket":
        return StoreFailed(f"there is no bucket '{settings.bucket}' at {where}; make it first", permanent=True)
    if code in _WRONG_KEY:
        return StoreRefused(f"{where} refuses us ({code}): {_WRONG_KEY[code]}")
    if status in (401, 403, 405) or (doing == "delete" and status == 409):
        return StoreRefused(
            f"{where} does not let us {doing or 'use'} {name or settings.bucket} ({code or status}); "
            f"look at the rights of the key{', and at locks' if doing == 'delete' else ''}"
        )
    return _not_done(code, status, where=where, what=f"{name}: " if name else "")


def _not_done(code: str, status: int, *, where: str, what: str) -> StoreFailed:
    if code in _NO_ROOM or status == 507:
        return StoreFailed(f"{what}no room left at {where} ({code or status})", permanent=True)
    if code in _SPOILT:
        return StoreFailed(f"{what}{where} received other bytes than were sent ({code}); it keeps none of them")
    if status == 412:
        return StoreFailed(f"{what}it was replaced at {where} while it was read")
    if status == 404 and code not in _ANOTHER_TIME:
        return NotStored(f"{what}there is no such object at {where}")
    is_lasting = 400 <= status < 500 and status not in (408, 429) and code not in _ANOTHER_TIME
    return StoreFailed(f"{what}{where} answered {status} {code}".rstrip(), permanent=is_lasting)


def _untrusted(error: boto.SSLError, *, where: str, what: str) -> StoreFailed:
    """Return the error of a TLS connection that did not come to be: nothing was sent over it."""
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = refusal(cause).removeprefix("the certificate is not valid: ")
        return StoreFailed(f"the certificate of {where} is refused: {reason}; nothing was sent", permanent=True)
    why = refusal(cause) if isinstance(cause, ssl.SSLError) else "TLS failed"
    return StoreFailed(f"{what}no answer from the store {where}: {why}")


def _silence(error: Exception) -> str:
    """Say in a few words why there was no answer. What a library says of it may hold addresses, and is long."""
    for kind, sentence in _SILENT.items():
        if isinstance(error, kind):
            return sentence
    cause = _cause(error)
    return cause.strerror.lower() if isinstance(cause, OSError) and cause.strerror else "the connection failed"


def _cause(error: BaseException) -> BaseException | None:
    """Return the system's own error that lies under a library's, None where there is none."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno and type(cause).__module__ in ("builtins", "ssl", "socket"):
            return cause
        inner = [value for value in cause.args if isinstance(value, BaseException)]
        waiting += [cause.__context__, cause.__cause__, *inner]
    return None

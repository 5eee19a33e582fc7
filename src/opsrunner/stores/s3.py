"""A bucket of any store that speaks S3, by boto3.

Every part bears the CRC32 that we made of it, and what the store answers is compared with it: the store has then
computed the same over what it received. Where a store answers none, its MD5 (the ETag) is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session
from urllib3 import disable_warnings
from urllib3.exceptions import InsecureRequestWarning

from opsrunner.errors import NotStored, StoreFailed
from opsrunner.model.store import S3Store, Stored
from opsrunner.stores.base import READ_BYTES, check_name, check_surveyed, is_name
from opsrunner.stores.s3_errors import FOREIGN, code_of, failed, host_of, no_store, require_bucket_name, status_of, told
from opsrunner.stores.s3_signing import signs_bodies
from opsrunner.stores.s3_upload import PARTS_AT_ONCE, S3Upload
from opsrunner.tls import authorities_file, client_context

CONNECT_SECONDS, READ_SECONDS = 15, 60
TRIES = 8
"""With waits between them that double: 6 s in all at the most, or longer where a store tells us to wait."""
READS_WITHOUT_PROGRESS = 3
_RANGE_BEYOND = 416


class _OfS3Alone(Loader):  # type: ignore[misc]  # botocore ships no types
    """botocore's files of S3. It would look into a thousand folders first, to tell whether they are there."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        """Return what is asked for here."""
        return ["s3"]


_WHAT_S3_IS = _OfS3Alone()
"""What botocore reads of S3 from its files, once in a process: it takes as long as a hundred requests."""


class S3Bucket:
    """Objects under a prefix of a bucket."""

    def __init__(self, settings: S3Store, *, access_key: str, secret_key: str) -> None:
        """Ask nothing yet. Raises StoreFailed where the settings cannot be used."""
        require_bucket_name(settings)
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/" if settings.prefix.strip("/") else ""
        self._is_reached = False
        try:
            self._client: Any = _client(settings, access_key=access_key, secret_key=secret_key)
        except (*FOREIGN, ValueError) as exc:
            raise StoreFailed(f"the store {host_of(settings)} cannot be used: {exc}", permanent=True) from exc

    def begin(self, name: str) -> S3Upload:
        """Begin an object. Raises StoreFailed where the bucket cannot be reached."""
        key = self._key(name)
        self._reach()
        return S3Upload(self._client, self._settings, name=name, key=key)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of an object; a line that breaks is taken up where it broke."""
        if length == 0 and self.find(name) is None:
            raise NotStored(f"{name}: there is no such object at {host_of(self._settings)}")
        return self._read(name, self._key(name), offset=offset, length=length)

    def fetch(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of anybody's object."""
        return self._read(name, self._prefix + check_surveyed(name), offset=0, length=None)

    def _read(self, name: str, key: str, *, offset: int, length: int | None) -> Iterator[bytes]:
        end = None if length is None else offset + length
        at, tag, idle = offset, "", 0
        while idle < READS_WITHOUT_PROGRESS and length != 0:
            answer = self._get(name, key, at, end, tag=tag)
            if answer is None:
                return
            tag, whole = answer.get("ETag", ""), at + answer["ContentLength"]
            for piece in _pieces(answer["Body"]):
                at, idle = at + len(piece), 0
                yield piece
            if at >= whole:
                return
            idle += 1
        if length != 0:
            raise StoreFailed(f"{name}: {host_of(self._settings)} breaks off again and again after {at} bytes")

    def find(self, name: str) -> Stored | None:
        """Return what lies under a name."""
        try:
            answer = self._client.head_object(Bucket=self._settings.bucket, Key=self._key(name))
        except FOREIGN as exc:
            if isinstance(exc, ClientError) and status_of(exc) == 404:
                self._reach()  # a HEAD answers alike where the bucket is not there
                return None
            raise failed(exc, self._settings, name=name, doing="read") from exc
        return self._stored(name, answer.get("ContentLength"), answer.get("LastModified"))

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Yield the objects whose names begin with `prefix`."""
        found = (stored for stored in self._listed(prefix) if is_name(stored.name))
        yield from sorted(found, key=lambda stored: stored.name)  # SeaweedFS lists folder by folder

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:  # noqa: ARG002
        """Yield the objects of anybody whose keys begin with `prefix`; a bucket has no folders to leave out."""
        return (stored for stored in self._listed(prefix) if not stored.name.endswith("/"))

    def remove(self, name: str) -> None:
        """Remove an object."""
        try:
            self._client.delete_object(Bucket=self._settings.bucket, Key=self._key(name))
        except FOREIGN as exc:
            if isinstance(exc, ClientError) and code_of(exc) == "NoSuchKey":
                return
            raise failed(exc, self._settings, name=name, doing="delete") from exc

    def sweep(self, prefix: str, *, before: datetime) -> int:
        """Abort multipart uploads under `prefix` that were begun before that moment."""
        uploads = [
            upload for page in self._pages("list_multipart_uploads", prefix) for upload in page.get("Uploads", ())
        ]
        return sum(self._abort(upload) for upload in uploads if _began(upload) < before)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> S3Bucket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key(self, name: str) -> str:
        return self._prefix + check_name(name)

    def _reach(self) -> None:
        """Ask once whether the bucket is there and knows us; a list says in words what a HEAD says by a number."""
        if self._is_reached:
            return
        with told(self._settings, doing="list"):
            answer = self._client.list_objects_v2(Bucket=self._settings.bucket, Prefix=self._prefix, MaxKeys=1)
        self._require_list(answer)
        self._is_reached = True

    def _get(self, name: str, key: str, at: int, end: int | None, *, tag: str) -> Any:
        """Ask for the bytes from `at` on; None where the object has none there."""
        wanted: dict[str, str] = {"IfMatch": tag} if tag else {}
        if at or end is not None:
            wanted["Range"] = f"bytes={at}-" if end is None else f"bytes={at}-{end - 1}"
        try:
            answer = self._client.get_object(Bucket=self._settings.bucket, Key=key, **wanted)
        except FOREIGN as exc:
            if isinstance(exc, ClientError) and status_of(exc) == _RANGE_BEYOND:
                return None
            raise failed(exc, self._settings, name=name, doing="read") from exc
        is_there = not wanted.get("Range") or str(answer.get("ContentRange", "")).startswith(f"bytes {at}-")
        if not is_there or "ContentLength" not in answer:
            raise StoreFailed(f"{name}: {host_of(self._settings)} does not give parts of an object", permanent=True)
        return answer

    def _pages(self, operation: str, prefix: str) -> Iterator[Any]:
        pages = self._client.get_paginator(operation).paginate(
            Bucket=self._settings.bucket, Prefix=self._prefix + prefix
        )
        with told(self._settings, doing="list"):
            for page in pages:
                self._require_list(page)
                yield page

    def _listed(self, prefix: str) -> Iterator[Stored]:
        for page in self._pages("list_objects_v2", prefix):
            for item in page.get("Contents", ()):
                name = str(item.get("Key", "")).removeprefix(self._prefix)
                yield self._stored(name, item.get("Size"), item.get("LastModified"))

    def _require_list(self, answer: Any) -> None:
        """Raise StoreFailed where an answer is no list: a page that somebody in between sends would read as empty."""
        if "IsTruncated" not in answer:
            raise no_store(self._settings)

    def _stored(self, name: str, size: int | None, at: datetime | None) -> Stored:
        if size is None or at is None:
            raise StoreFailed(f"{name}: {host_of(self._settings)} says neither size nor time of it")
        return Stored(name=name, size_bytes=size, modified_at=at)

    def _abort(self, upload: Any) -> bool:
        with suppress(*FOREIGN):
            self._client.abort_multipart_upload(
                Bucket=self._settings.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
            return True
        return False


def _client(settings: S3Store, *, access_key: str, secret_key: str) -> Any:
    if not settings.verify:
        disable_warnings(InsecureRequestWarning)  # every digest says it, to people who can change it
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": signs_bodies(settings.endpoint)},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        max_pool_connections=PARTS_AT_ONCE + 2,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
    )
    session = Session()
    session.register_component("data_loader", _WHAT_S3_IS)
    client: Any = boto3.session.Session(botocore_session=session).client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region or "us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        verify=authorities_file() or True if settings.verify else False,
        config=config,
    )
    if settings.verify:
        _require_own_name(client)
    return client


def _require_own_name(client: Any) -> None:
    """Have OpenSSL itself compare a certificate with the store's name, before a byte is sent.

    botocore leaves that to urllib3, which takes a common name and a bare `*` for proof.
    """
    lines = client._endpoint.http_session
    lines._get_ssl_context = client_context  # for the way through a proxy, which is laid when it is first needed
    lines._manager.connection_pool_kw["ssl_context"] = client_context()


def _began(upload: Any) -> datetime:
    """Return when an upload was begun; where the store does not say, it is taken to be under way."""
    return upload.get("Initiated") or datetime.max.replace(tzinfo=UTC)


def _pieces(body: Any) -> Iterator[bytes]:
    """Yield what comes of an answer's body; it ends early where the line breaks."""
    try:
        with suppress(*FOREIGN, OSError):
            yield from body.iter_chunks(READ_BYTES)
    finally:
        body.close()

"""An object on its way into a bucket: in one request where it is small, else in parts, some of them at once."""

from __future__ import annotations

from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from opsrunner.errors import StoreFailed
from opsrunner.model.store import Received, S3Store
from opsrunner.stores.s3_body import Body
from opsrunner.stores.s3_checksums import Sent, Whole, compare, compare_whole, crc32_text
from opsrunner.stores.s3_errors import FOREIGN, no_store, told

PART_BYTES = 16 << 20
PARTS_AT_ONCE = 4
"""With PART_BYTES this bounds what an upload holds in memory: these, and the one that fills meanwhile."""


class S3Upload:
    """Nothing is sent before a part is full, or the object ends. Every request bears the CRC32 that we made."""

    def __init__(self, client: Any, settings: S3Store, *, name: str, key: str) -> None:
        self._client, self._settings, self._name = client, settings, name
        self._where = {"Bucket": settings.bucket, "Key": key}
        self._size = 0
        self._body = Body()
        self._upload = ""
        self._parts = 0
        self._flying: set[Future[Sent]] = set()
        self._sent: list[Sent] = []
        self._pool: ThreadPoolExecutor | None = None
        self._has_ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; where a part is full and more comes, send it. Raises StoreFailed of parts before."""
        self._require_open()
        left = memoryview(data).cast("B")
        self._size += len(left)
        while left:
            if len(self._body) == PART_BYTES:
                self._send_part()
            room = PART_BYTES - len(self._body)
            self._body.add(left[:room])
            left = left[room:]

    def finish(self) -> Received:
        """Send what is left, and compare what the store says of the whole."""
        self._require_open()
        if self._upload:
            self._end_parts()
        else:
            self._put()
        self._has_ended = True
        checked_by = self._require_whole()
        return Received(name=self._name, size_bytes=self._size, checked_by=checked_by)

    def abort(self) -> None:
        """Abort the upload of parts, when those under way have ended: one that came later would stay."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._upload and not self._has_ended:
            with suppress(*FOREIGN):
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload)
        self._has_ended = True
        self._body = Body()

    def _require_open(self) -> None:
        if self._has_ended:
            raise StoreFailed(f"{self._name}: this upload has ended", permanent=True)

    def _put(self) -> None:
        body = self._body
        with told(self._settings, name=self._name, doing="write"):
            answer = self._client.put_object(**self._where, Body=body, ChecksumCRC32=crc32_text(body.crc32))
        try:
            self._sent = [compare(answer, body, what=self._name)]
        except StoreFailed:
            self._take_away()
            raise

    def _send_part(self) -> None:
        """Send what was collected as a part, when there is room for one more."""
        if self._pool is None:
            self._pool = self._begin_parts()
        if len(self._flying) >= PARTS_AT_ONCE:
            self._land(FIRST_COMPLETED)
        body, self._body = self._body, Body()
        self._parts += 1
        self._flying.add(self._pool.submit(self._upload_part, self._parts, body))

    def _begin_parts(self) -> ThreadPoolExecutor:
        with told(self._settings, name=self._name, doing="write"):
            answer = self._client.create_multipart_upload(**self._where, ChecksumAlgorithm="CRC32")
        if not answer.get("UploadId"):
            raise no_store(self._settings)
        self._upload = str(answer["UploadId"])
        return ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part")

    def _upload_part(self, number: int, body: Body) -> Sent:
        with told(self._settings, name=self._name, doing="write"):
            answer = self._client.upload_part(
                **self._where, UploadId=self._upload, PartNumber=number, Body=body, ChecksumCRC32=crc32_text(body.crc32)
            )
        return compare(answer, body, number=number, what=f"{self._name}, part {number}")

    def _land(self, when: str) -> None:
        """Wait for parts under way. Raises StoreFailed of one that did not arrive."""
        done, self._flying = wait(self._flying, return_when=when)
        self._sent += [part.result() for part in done]

    def _end_parts(self) -> None:
        if len(self._body):
            self._send_part()
        self._land(ALL_COMPLETED)
        self._sent.sort(key=lambda part: part.number)
        parts = [_as_part(part) for part in self._sent]
        with told(self._settings, name=self._name, doing="write"):
            self._client.complete_multipart_upload(
                **self._where, UploadId=self._upload, MultipartUpload={"Parts": parts}
            )
        if self._pool is not None:
            self._pool.shutdown()

    def _require_whole(self) -> str:
        """Compare the object with what was sent, return by what; where they differ, take it away and raise."""
        with told(self._settings, name=self._name):
            found = self._client.head_object(**self._where, ChecksumMode="ENABLED")
        sent = Whole(size_bytes=self._size, parts=self._sent, in_parts=bool(self._upload))
        try:
            return compare_whole(found, sent, what=self._name)
        except StoreFailed:
            self._take_away()
            raise

    def _take_away(self) -> None:
        with suppress(*FOREIGN):
            self._client.delete_object(**self._where)


def _as_part(part: Sent) -> dict[str, Any]:
    """Return a part as the end of an upload names it."""
    named = {"PartNumber": part.number, "ETag": f'"{part.etag}"'}
    return named | ({"ChecksumCRC32": crc32_text(part.crc32)} if part.checked_by == "CRC32" else {})

"""Attachments as text and back, as they lie with their mail."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from opsrunner.ledger.codec import clean
from opsrunner.model.mail import Attachment


def attachments_to_text(attachments: Sequence[Attachment]) -> str:
    """Return attachments as JSON, none as an empty text."""
    if not attachments:
        return ""
    return clean(
        json.dumps(
            [[item.name, item.content_type, base64.b64encode(item.data).decode("ascii")] for item in attachments],
            ensure_ascii=False,
        )
    )


def attachments_from_text(text: str) -> tuple[Attachment, ...]:
    """Return the attachments of `attachments_to_text`."""
    if not text:
        return ()
    return tuple(
        Attachment(name=name, content_type=content_type, data=base64.b64decode(data))
        for name, content_type, data in json.loads(text)
    )

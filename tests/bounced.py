"""A report that a mail came back (RFC 3464), as a mail server sends it."""

from __future__ import annotations

_REPORT = """\
Date: Mon, 23 Nov 2026 03:00:00 +0100
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; {address}
{original}Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 no such user

{quoted}--b--
"""
_QUOTED = """\
--b
Content-Type: text/rfc822-headers

Message-ID: <{message_id}>
To: {address}

"""


def report_of(address: str, *, status: str = "5.1.1", message_id: str = "", original: str = "") -> str:
    """Return the report that a mail did not reach `address`, to which one to `original` was forwarded, if to any.

    With the headers of that mail where it has an id.
    """
    quoted = _QUOTED.format(message_id=message_id, address=original or address) if message_id else ""
    first = f"Original-Recipient: rfc822;{original}\n" if original else ""
    return _REPORT.format(address=address, original=first, status=status, quoted=quoted)

"""What the source `bounces` tells of each recipient."""

from __future__ import annotations

from opsrunner.model.site import Column

BOUNCE_COLUMNS = (
    Column(name="address", type="text"),
    Column(name="action", type="text", optional=True),
    Column(name="status", type="text", optional=True),
    Column(name="permanent", type="flag"),
    Column(name="diagnostic", type="text", optional=True),
    Column(name="reported_at", type="moment", optional=True),
    Column(name="message_id", type="text", optional=True),
    Column(name="ours", type="flag"),
    Column(name="forwarded_to", type="text", optional=True),
    Column(name="report", type="text"),
)
"""What every report says; a source declares no others."""

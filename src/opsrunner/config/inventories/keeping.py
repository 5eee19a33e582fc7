"""The hosts of inventories as a text that outlives the program, for a file that is broken when it starts."""

from __future__ import annotations

import json
from collections.abc import Mapping

from opsrunner.config.inventories.found import InventoryHost, Place
from opsrunner.config.site_keys import HostKeys


def kept_text(hosts: Mapping[str, InventoryHost]) -> str:
    """Return hosts as a text; empty where there are none."""
    if not hosts:
        return ""
    said = {
        name: {"keys": host.keys.model_dump(mode="json", exclude_unset=True), "at": [host.place.file, host.place.line]}
        for name, host in hosts.items()
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def hosts_kept(text: str) -> dict[str, InventoryHost] | None:
    """Return the hosts of such a text; None where there is none, or one that an older program made otherwise."""
    try:
        return {
            name: InventoryHost(
                keys=HostKeys.model_validate(said["keys"]), place=Place(file=said["at"][0], line=said["at"][1])
            )
            for name, said in json.loads(text).items()
        }
    except (ValueError, LookupError, TypeError, AttributeError):
        return None

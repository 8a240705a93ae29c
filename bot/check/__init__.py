"""`replydesk check`: faults of the file, and, when asked, what the other sides say to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from bot.config import ConfigFaults, Fault, load


def check(path: str | Path, online: bool = False, env: Mapping[str, str] | None = None) -> list[Fault]:
    """All faults of a configuration; `online` also asks the other sides, once the file itself is sound."""
    try:
        config = load(path, env)
    except ConfigFaults as refused:
        return refused.faults
    if not online:
        return []
    # The clients of all the other sides take a second to import.
    from bot.check.online import check_online

    return asyncio.run(check_online(config, str(path)))


def report(faults: list[Fault], as_json: bool = False) -> str:
    """A line a fault for people; for machines {"ok": bool, "faults": [{"file", "key", "what", "mend", "of"}]}."""
    if as_json:
        found = [fault.as_json() for fault in faults]
        return json.dumps({"ok": not found, "faults": found}, ensure_ascii=False, indent=2)
    return "\n".join(map(str, faults)) or "no faults found"

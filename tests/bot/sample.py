"""A sound configuration, and a way to write one with something changed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

SECRETS = {
    "REPLYDESK_SECRET": "kept-secret-of-the-desk-0123456789",
    "TELEGRAM_TOKEN": "7000000001:kept-secret-telegram",
    "SLACK_BOT_TOKEN": "xoxb-kept-secret-bot",
    "SLACK_APP_TOKEN": "xapp-kept-secret-app",
    "SLACK_SIGNING_SECRET": "kept-secret-signing",
    "GOOGLE_PLAY_CREDENTIALS": json.dumps({"client_email": "a@b.example", "private_key": "kept-secret-key"}),
    "ACME_HOOK_SECRET": "whsec_" + base64.b64encode(b"kept-secret-hook-0123456789").decode(),
    "OPENAI_API_KEY": "sk-kept-secret-openai",
}

DESK = """
[desk]
secret_key = "env:REPLYDESK_SECRET"
timezone = "Asia/Almaty"
"""

TELEGRAM = """
[telegram]
token = "env:TELEGRAM_TOKEN"
"""

SLACK = """
[[slack]]
key = "main"
bot_token = "env:SLACK_BOT_TOKEN"
app_token = "env:SLACK_APP_TOKEN"
"""

ANNA = """
[[people]]
key = "anna"
name = "Anna"
role = "staff"
clients = ["*"]
telegram = 1001
"""

MARTA = """
[[people]]
key = "marta"
name = "Marta"
role = "approver"
clients = ["acme"]
slack = "U0MARTA"
"""

ACME = """
[[clients]]
key = "acme"
name = "Acme Coffee"
staff_room = "telegram:-1001000000001"
client_room = "slack:C0ACME"
"""

COFFEE = """
[[clients.brands]]
key = "coffee"
name = "Coffee"
"""

PLAY = """
[[clients.brands.sources]]
key = "play"
platform = "google_play"
package = "kz.acme.coffee"
credentials = "env:GOOGLE_PLAY_CREDENTIALS"
"""

HOOK = """
[[clients.brands.sources]]
key = "hook"
platform = "webhook"
secret = "env:ACME_HOOK_SECRET"
"""

SOUND = "".join((DESK, TELEGRAM, SLACK, ANNA, MARTA, ACME, COFFEE, PLAY, HOOK))


def changed(*changes: tuple[str, str], after: str = "") -> str:
    """SOUND with each first text replaced by the second, and `after` at its end."""
    text = SOUND
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text + after


def write(folder: Path, text: str = SOUND) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path

"""The invented company of the demo: who is there and which keys open which door."""

from __future__ import annotations

TELEGRAM_TOKEN = "7000000001:AAE-sandbox-token-of-the-desk-bot-0001"
TELEGRAM_BOT = "replydesk_bot"
STAFF_ROOM = -1001000000001
STAFF_TITLE = "Acme · staff"
ANNA, BORIS, DANA = 1001, 1002, 1003
STAFF = {ANNA: "Anna", BORIS: "Boris", DANA: "Dana"}

TEAM = "T0ACME"
TEAM_NAME = "Acme Coffee"
SLACK_BOT_TOKEN = "xoxb-sandbox-acme"
SLACK_APP_TOKEN = "xapp-sandbox-acme"
SLACK_SIGNING_SECRET = "sandbox-acme-signing-secret"
CLIENT_CHANNEL = "C0ACME"
CLIENT_CHANNEL_NAME = "acme-replies"
MARTA, OLEG = "U0MARTA", "U0OLEG"
CLIENT = {MARTA: "Marta", OLEG: "Oleg"}

PACKAGE = "kz.acme.coffee"
APP_TITLE = "Acme Coffee"

"""Sixty reviews at once: one summary, everything carded within the group's budget, nobody kept waiting.

Telegram's limit is 20 calls in a minute of one group, so that sixty cards take nine of them. Here the minute is shorter,
for the sandbox that enforces the limit and for the desk that keeps it; what people wait for is measured in real seconds.
"""

from __future__ import annotations

import random
import re
import time
from typing import Any

import pytest

from bot.build import Parts
from sandbox import world
from sandbox.server import Sandbox
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World, a_sandbox

pytestmark = pytest.mark.xdist_group("burst")

SIXTY = 60
OTHER_ROOM, OTHER_CHANNEL, OTHER_APP = -1001000000077, "C0OTHER", "kz.other.tea"

OTHER_CLIENT = f"""
[[people]]
key = "olga"
name = "Olga"
role = "staff"
clients = ["other"]
telegram = 1077

[[people]]
key = "petr"
name = "Petr"
role = "approver"
clients = ["other"]
slack = "U0PETR"
[[clients]]
key = "other"
name = "Other Tea"
language = "en"
timezone = "Asia/Almaty"
staff_room = "telegram:{OTHER_ROOM}"
client_room = "slack:{OTHER_CHANNEL}"

[[clients.brands]]
key = "other-tea"
name = "Other Tea"

[[clients.brands.sources]]
key = "other-play"
platform = "google_play"
package = "{OTHER_APP}"
credentials = "file:play.json"
api_base = "{{url}}/play"
every = "1s"
"""


def another_client(made: Sandbox) -> str:
    """A second client with rooms of its own; returns its part of the configuration."""
    made.telegram.add_group(OTHER_ROOM, "Other · staff")
    made.telegram.join(OTHER_ROOM, world.ANNA)
    made.slack.add_channel(world.TEAM, OTHER_CHANNEL, "other-replies")
    made.site.add_app(OTHER_APP, "Other Tea")
    return OTHER_CLIENT.format(url=made.url)


def sixty(made: Sandbox) -> list[str]:
    """Reviews of the last forty minutes, in no order; returns their texts by time left."""
    ages = random.Random(60).sample(range(60, 2400, 30), SIXTY)
    for age in ages:
        made.site.leave(world.PACKAGE, f"Guest {age}", 1, f"Cold coffee {age}", lang="en", published=time.time() - age)
    return [f"Cold coffee {age}" for age in sorted(ages, reverse=True)]

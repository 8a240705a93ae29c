"""A local Slack: Web API, Block Kit rules, Socket Mode and HTTP delivery, with people to act in it."""

from sandbox.slack.face import Slack
from sandbox.slack.state import Call, Impossible

__all__ = ["Call", "Impossible", "Slack"]

"""One writing transaction with all its parts."""

from __future__ import annotations

from dataclasses import dataclass

from storage.cases import CasePart
from storage.mentions import MentionPart
from storage.places import AskPart, PlacePart, SayingPart
from storage.screenshots import ScreenshotPart
from storage.switches import SwitchPart
from storage.waiting import WorkPart


@dataclass
class SqlUnit(CasePart, MentionPart, PlacePart, SayingPart, AskPart, WorkPart, SwitchPart, ScreenshotPart):
    """desk.ports.Unit on SQLAlchemy."""

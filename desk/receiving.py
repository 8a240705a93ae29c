"""A mention arrives: stored, judged, carded, or recognised as an edit or a deletion of one that is known."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from desk import actions as a
from desk.case import Case, Event, Round
from desk.decide import decide
from desk.errors import DeskError, NotAllowed
from desk.follow import opening
from desk.mention import Author, Mention, MentionKey, OfficialReply, clock_start
from desk.platform import Platform
from desk.ports import Directory, Done, Drop, Judge, StoredMention, Unit, Verdict, Verdicts
from desk.rules import Rules
from desk.service import announce, apply
from desk.work import LEASES, Prio, Row, Work

FIRST_DAYS = timedelta(days=7)
"""The first poll of a source looks back this far (issue: the last 7 days quietly)."""


def pack(mention: Mention) -> dict[str, Any]:
    """A mention as JSON data."""
    data = asdict(mention)
    data["key"] = list(mention.key)
    data["published_at"] = _iso(mention.published_at)
    data["media"] = list(mention.media)
    data["replies"] = [{**asdict(r), "at": _iso(r.at)} for r in mention.replies]
    return data


def unpack(data: dict[str, Any]) -> Mention:
    fields = {
        **data,
        "key": MentionKey(*data["key"]),
        "published_at": _time(data["published_at"]),
        "author": Author(**data["author"]),
        "media": tuple(data["media"]),
        "replies": tuple(OfficialReply(**{**r, "at": _time(r["at"])}) for r in data["replies"]),
    }
    return Mention(**fields)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def receive(mention: Mention, idem: str, quiet_before: datetime | None = None, case_by: str = "") -> Work:
    """Work that takes one mention in. `idem` comes from the delivery, so that a repeated one is dropped at the door.

    `quiet_before`: first poll of a source; what is older is stored without a card. `case_by`: a person wants a case.
    The oldest goes first: sources list the newest first, and the first card would be that of whoever can wait longest.
    """
    return Work(
        "receive",
        {"mention": pack(mention), "quiet_before": _iso(quiet_before), "case_by": case_by},
        lane=":".join(("mention", *mention.key)),
        idem=idem,
        prio=Prio.PERSON if case_by else Prio.MENTION,
        deadline=mention.published_at,
    )


@dataclass(frozen=True, slots=True)
class Receive:
    """Job of kind "receive". One row a mention: a bad one harms only itself.

    `platforms`: the account a mention stands under, None where it is not a configured one's.
    """

    directory: Callable[[], Directory]
    judge: Judge
    count: Callable[[Mention, str], None] = lambda mention, tone: None
    platforms: Callable[[Mention], Platform | None] = lambda mention: None
    lease: timedelta = LEASES["ai"]

    async def fetch(self, row: Row) -> tuple[Mention, Verdict | None]:
        mention = unpack(row.payload["mention"])
        if row.payload["case_by"]:
            mention = await self._as_it_stands(mention)
        rules = self.directory().rules(mention.key.brand, mention.key.platform)
        if rules is None or mention.deleted:
            return mention, None
        return mention, await self.judge.judge(mention, rules)

    async def _as_it_stands(self, mention: Mention) -> Mention:
        """What a person brought by its address is read on its platform; where that fails, their own words stand."""
        platform = self.platforms(mention)
        if platform is None or not platform.card.can_look:
            return mention
        with suppress(DeskError):
            return (await platform.look(mention)).mention or mention
        return mention

    async def apply(self, unit: Unit, row: Row, fetched: tuple[Mention, Verdict | None]) -> Verdicts:
        mention, verdict = fetched
        rules = self.directory().rules(mention.key.brand, mention.key.platform)
        if rules is None:
            return Drop(f"brand {mention.key.brand} is not configured any more")
        known = await unit.mention(mention.key)
        if known is not None:
            unread = bool(row.payload["case_by"]) and mention == unpack(row.payload["mention"])
            await self._again(unit, known, known.mention if unread else mention, verdict, rules, row)
        elif verdict is not None:
            self.count(mention, verdict.tone)
            await self._first(unit, mention, verdict, rules, row, unit.now)
        elif mention.deleted:
            # A push may overtake another: the mention itself may still come, and must not look alive then.
            await unit.put_mention(mention, "other", None, "none", unit.now, None)
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return None

    async def _first(
        self, unit: Unit, mention: Mention, verdict: Verdict, rules: Rules, row: Row, found_at: datetime
    ) -> int | None:
        """Returns the case it became."""
        number = None
        if _wanted(verdict, row.payload["case_by"]) and not _quiet(mention, row.payload["quiet_before"], found_at):
            case = await open_case(unit, mention, verdict, rules, found_at, row.payload["case_by"])
            number = case.id
        await unit.put_mention(mention, verdict.tone, verdict.score, verdict.by, found_at, number)
        return number

    async def _again(
        self, unit: Unit, known: StoredMention, mention: Mention, verdict: Verdict | None, rules: Rules, row: Row
    ) -> None:
        """Reading twice is harmless; what changed goes to the case, or makes one."""
        news = known.mention.deleted or mention.fingerprint != known.mention.fingerprint
        changed = news and not mention.deleted
        wanted = bool(row.payload["case_by"]) and known.case is None
        if not (changed or mention.deleted or wanted):
            return
        if known.case is not None:
            kept = mention if changed else replace(known.mention, deleted=True)
            await unit.put_mention(kept, known.tone, known.score, "", known.found_at, known.case)
            await tell_case(unit, known.case, rules, mention if changed else None)
        elif verdict is not None and _overtaken(known.mention):
            number = await self._first(unit, mention, verdict, rules, row, unit.now)
            if number is not None:
                await tell_case(unit, number, rules, None)
        elif verdict is not None:
            newer = known.mention.edited(mention)
            await self._first(unit, replace(newer, published_at=None), verdict, rules, row, unit.now)


def _overtaken(known: Mention) -> bool:
    """Of this mention nothing is known but that it was deleted."""
    return known.deleted and not known.text and known.rating is None


def _wanted(verdict: Verdict, case_by: str) -> bool:
    return bool(case_by) or verdict.tone in ("negative", "to_check")


def _quiet(mention: Mention, quiet_before: str | None, found_at: datetime) -> bool:
    before = _time(quiet_before)
    return before is not None and clock_start(mention, found_at).at < before


async def open_case(
    unit: Unit, mention: Mention, verdict: Verdict, rules: Rules, found_at: datetime, by: str = ""
) -> Case:
    start = clock_start(mention, found_at)
    case = Case(
        id=0,
        client=rules.client,
        brand=rules.brand,
        mention=mention,
        found_at=found_at,
        to_check=verdict.tone == "to_check" and not by,
        rounds=(Round(1, clock_at=start.at, found_at=found_at, clock_note=start.note, first_version=1),),
    )
    event = Event("found", unit.now, by, data={"tone": verdict.tone, "by": verdict.by})
    case = await unit.new_case(case, [event])
    await unit.enqueue(*opening(case, rules, unit.now))
    await announce(unit, rules.staff_room)
    return case


async def tell_case(unit: Unit, number: int, rules: Rules, edited: Mention | None) -> None:
    """An edit, or with None a deletion. A case whose state has no use for it keeps the mention only."""
    case = await unit.case(number)
    action = a.MentionDeleted() if edited is None else a.MentionEdited(mention=edited)
    try:
        await apply(unit, decide(case, action, unit.now, rules))
    except NotAllowed:
        return


class StarsOrCheck:
    """The first detector: one and two stars are negative, other stars are not, a text without stars is to be checked.

    The detector proper takes this place; whatever stands here answers the same question.
    """

    async def judge(self, mention: Mention, rules: Rules) -> Verdict:
        if mention.rating is not None:
            return Verdict("negative" if mention.rating <= 2 else "other", None, "rating")
        return Verdict("to_check", None, "none")

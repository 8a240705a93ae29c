"""The public reply: read again, publish once, read back, and go on watching. Contract §4, engine.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from desk import actions as a
from desk import follow as f
from desk.case import Case, Reply, State, holds
from desk.decide import decide
from desk.errors import DeskError, NeedsLogin, NotAllowed, Refused, Retry, Unsure
from desk.mention import Mention, OfficialReply
from desk.platform import Look, Platform, Posted
from desk.ports import Call, Directory, Done, Drop, Later, Park, Store, Unit, Verdicts
from desk.receiving import pack, unpack
from desk.rules import Rules
from desk.scope import configured
from desk.service import apply
from desk.work import LEASES, Row

STOPPED_FOR = timedelta(minutes=5)
"""How often a held reply looks again whether posting goes on; `/resume_posting` wakes it at once."""

WATCHES = tuple(timedelta(minutes=m) for m in (15, 60, 240, 720, 1440))
"""Pauses between further looks at a reply; one that waits for moderators is looked at until they decide."""

READS_BEFORE_ASKING = 3
"""How often the platform is read in vain before staff are asked what became of a reply."""

ReadsPage = Callable[[str, str], Awaitable[str]]
"""(address, text) → "seen", "absent", or why that page cannot be read: `cause_page_…` in handlers/words. Whatever a
network or a site may do, it answers."""

Platforms = Callable[[Mention], Platform | None]
"""The open account a mention stands under; None: its source is not configured any more."""


def against(case: Case, look: Look, platform: Platform) -> a.Action | None:
    """What a fresh reading of the mention says against publishing; None: nothing (contract §4, before publishing)."""
    if look.mention is None:
        return a.MentionDeleted()
    if look.mention.fingerprint != case.approved_fingerprint:
        return a.MentionEdited(mention=look.mention)
    unseen = (reply for reply in _others(case, look, platform) if not _agreed(case, reply))
    other = next(unseen, None)
    return None if other is None else a.OtherReplyFound(reply=other)


def _others(case: Case, look: Look, platform: Platform) -> list[OfficialReply]:
    return [r for r in look.replies if r.standing != "refused" and not _ours(case, r, platform)]


def there_already(case: Case, look: Look, platform: Platform, now: datetime) -> Posted | None:
    """The approved text, found before it is posted: an attempt taken for failed had its effect, or a person copied it.
    Whoever else has answered too, it is not posted a second time."""
    text = case.version.text if case.version is not None else ""
    found = next((r for r in _others(case, look, platform) if platform.same(text, r.text)), None)
    if found is None:
        return None
    return Posted(found.external_id, found.at or now, found.url, visible=found.standing == "public")


def _ours(case: Case, reply: OfficialReply, platform: Platform) -> bool:
    """Where a reply must be deleted, only one that the approvers knew of: they were shown those that stand."""
    known = (r for r in case.replies if r.gone_at is None or not platform.card.delete_first)
    return any(platform.same(r.text, reply.text) for r in known)


def _agreed(case: Case, other: OfficialReply) -> bool:
    return case.replace_agreed and case.other_reply is not None and case.other_reply.text == other.text


async def _settle(
    unit: Unit, row: Row, known: Directory, action: a.Action, verdict: Verdicts, sending: bool = False
) -> Verdicts:
    """What became of a call, told to its case. `sending`: it was made, or may have been."""
    case = await unit.case(row.payload["case"])
    rules = known.rules(case.brand, case.mention.key.platform)
    if rules is None:
        return _out_of_configuration(unit, case, sending)
    try:
        await apply(unit, decide(case, action, unit.now, rules))
    except NotAllowed:
        return Drop(f"the case is {case.state.value}")
    return verdict


def _out_of_configuration(unit: Unit, case: Case, sending: bool = False) -> Verdicts:
    """It may come back. Put aside for people the row would be stuck for ever: there is nobody who would be asked."""
    why = f"brand {case.brand} is not configured any more"
    return Later(unit.now + STOPPED_FOR, why, count=False, sending=sending)


async def _look(platform: Platform | None, mention: Mention) -> Look | None:
    """None where this platform cannot be asked."""
    if platform is None or not platform.card.can_look:
        return None
    return await platform.look(mention)


@dataclass(frozen=True, slots=True)
class Publish:
    """Job of kind "publish": reads the mention again and either starts posting or tells what stands against it."""

    store: Store
    directory: Callable[[], Directory]
    platforms: Platforms
    lease: timedelta = LEASES["effect"]

    async def fetch(self, row: Row) -> Look | None:
        case = await _read(self.store, self.directory(), row.payload["case"])
        if case is None:
            return None
        platform = self.platforms(case.mention)
        if platform is None:
            raise NeedsLogin("the source of this mention is not configured any more")
        return await _look(platform, case.mention)

    async def apply(self, unit: Unit, row: Row, fetched: Look | None) -> Verdicts:
        case = await unit.case(row.payload["case"])
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        if rules is None:
            return _out_of_configuration(unit, case)
        held = await _held(unit, case, rules, row)
        if held is not None:
            return held
        platform = self.platforms(case.mention)
        if fetched is None or platform is None:
            await self._start(unit, case, rules)
            return Done()
        stop, posted = against(case, fetched, platform), there_already(case, fetched, platform, unit.now)
        if posted is not None and (stop is None or isinstance(stop, a.OtherReplyFound)):
            started = decide(case, a.PostingStarts(), unit.now, rules)
            await apply(unit, started)
            await apply(unit, decide(started.case, a.ReplyPosted(posted=posted, read_back=True), unit.now, rules))
        elif stop is None:
            await self._start(unit, case, rules, fetched.replies)
        else:
            await apply(unit, decide(case, stop, unit.now, rules))
        return Done()

    async def _start(self, unit: Unit, case: Case, rules: Rules, there: tuple[OfficialReply, ...] = ()) -> None:
        """`there`: what stands on the platform, all of it ours, agreed to be replaced, or refused by moderators."""
        await apply(unit, decide(case, a.PostingStarts(), unit.now, rules))
        for old in there if rules.card.delete_first else ():
            await unit.enqueue(f.make_room(case, old.external_id))
        await unit.enqueue(f.post(case, rules))

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """Nothing was sent yet: after the last try the case fails openly and its owner decides."""
        if _may_pass(row, error):
            return None
        return await _give_up(unit, self.directory(), row, error)


async def _read(store: Store, directory: Directory, number: int) -> Case | None:
    async with store.read(configured(directory)) as reader:
        return await reader.case(number)


async def _held(unit: Unit, case: Case, rules: Rules, row: Row) -> Verdicts | None:
    """Why this row may not post now; None: it may. Asked in the transaction that would start it."""
    if (case.n, case.attempt) != (row.payload["version"], row.payload["attempt"]):
        return Drop("another version or attempt took its place")
    if case.state not in (State.APPROVED, State.POSTING) or case.unknown:
        return Drop(f"the case is {case.state.value}")
    if not holds(case, rules) or _deleted_since(case):
        return await _fail(unit, case, rules, "approval_lost")
    if not rules.posting or {s.scope for s in await unit.stops()} & {"*", case.brand}:
        return Later(unit.now + STOPPED_FOR, "posting is stopped", count=False)
    return None


def _deleted_since(case: Case) -> bool:
    """Since it was approved: while its reply waits to be sent, the desk may hear of a mention what it did not read."""
    deleted = case.mention_deleted_at
    return deleted is not None and all(given.at < deleted for given in case.approvals)


async def _fail(unit: Unit, case: Case, rules: Rules, why: str) -> Verdicts:
    """Nothing was published: the case goes back to its owner openly, rather than wait for nobody."""
    await apply(unit, decide(case, a.PostingRefused(reason=why), unit.now, rules))
    return Done()


async def _give_up(unit: Unit, directory: Directory, row: Row, error: Exception) -> Verdicts:
    case = await unit.case(row.payload["case"])
    rules = directory.rules(case.brand, case.mention.key.platform)
    if rules is None:
        return _out_of_configuration(unit, case)
    if (case.n, case.attempt) != (row.payload["version"], row.payload["attempt"]):
        return Drop("another version or attempt took its place")
    try:
        await apply(unit, decide(case, a.PostingRefused(reason=reason(error)), unit.now, rules))
    except NotAllowed:
        return Drop(f"the case is {case.state.value}")
    return Done()


def _may_pass(row: Row, error: Exception) -> bool:
    """Whether it is tried again: what is no answer of the platform's, a database that broke off for one, is no no."""
    return row.attempts < row.max_attempts and (isinstance(error, Retry) or not isinstance(error, DeskError))


def reason(error: Exception) -> str:
    return error.reason if isinstance(error, DeskError) and error.reason else type(error).__name__


@dataclass(frozen=True, slots=True)
class Post:
    """Effect of kind "post": one version of one case onto its platform, to the letter."""

    directory: Callable[[], Directory]
    platforms: Platforms
    lease: timedelta = LEASES["effect"]

    def grace(self, row: Row) -> timedelta:
        return timedelta(seconds=row.payload["grace"])

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        """A row that may have been sent already goes on to be reconciled, whatever the case says by now."""
        case = await unit.case(row.payload["case"])
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        if rules is None:
            return _out_of_configuration(unit, case)
        if not row.sending and (held := await _held(unit, case, rules, row)) is not None:
            return held
        version = case.versions[row.payload["version"] - 1]
        old = case.reply.external_id if case.correcting and case.reply else ""
        known = [r.external_id for r in case.replies if r.external_id]
        data = {"mention": pack(case.mention), "text": version.text, "key": f"{case.id}-{version.n}"}
        return Call({**data, "old": old, "known": known})

    async def send(self, row: Row, call: Call) -> Posted:
        mention = unpack(call.data["mention"])
        platform = self.platforms(mention)
        if platform is None:
            raise NeedsLogin("the source of this mention is not configured any more")
        if call.data["old"]:
            return await platform.edit(mention, call.data["old"], call.data["text"])
        return await platform.reply(mention, call.data["text"], call.data["key"])

    async def record(self, unit: Unit, row: Row, call: Call, result: Posted) -> Verdicts:
        """`row.sending`: it was found by reading back."""
        action = a.ReplyPosted(posted=result, read_back=row.sending)
        return await _settle(unit, row, self.directory(), action, Done(result.external_id), sending=True)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """A definite no is shown; what did not leave us at all is tried again by the engine."""
        if isinstance(error, Unsure) or _may_pass(row, error):
            return None
        return await _settle(unit, row, self.directory(), a.PostingRefused(reason=reason(error)), Done())

    async def find(self, row: Row, call: Call) -> Posted | None:
        mention = unpack(call.data["mention"])
        platform = self.platforms(mention)
        look = await _look(platform, mention)
        if look is None or platform is None:
            raise Unsure("this platform cannot be read back")
        mine = (r for r in look.replies if platform.same(call.data["text"], r.text))
        found = next((r for r in mine if self._may_be_new(platform, call, r)), None)
        if found is None:
            return None
        # Where ours was edited, its time may still be that of the first text.
        at = (None if call.data["old"] else found.at) or row.sent_at or row.created_at
        return Posted(found.external_id, at, found.url, visible=found.standing == "public")

    def _may_be_new(self, platform: Platform, call: Call, reply: OfficialReply) -> bool:
        """An equal text of an earlier round is not the one we look for, unless the platform keeps a single reply."""
        single = platform.card.one_reply or bool(call.data["old"])
        return single or reply.external_id not in call.data["known"]

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        """The platform could not be read: a few more looks, then staff are asked; nothing is sent on a guess."""
        readable = not (isinstance(error, Unsure) and "cannot be read" in error.reason)
        if readable and row.attempts < READS_BEFORE_ASKING:
            return Later(unit.now + timedelta(seconds=5 * 2**row.attempts), reason(error), sending=True)
        asked = a.OutcomeUnknown(reason=reason(error))
        return await _settle(unit, row, self.directory(), asked, Park(reason(error)), sending=True)


@dataclass(frozen=True, slots=True)
class DeleteReply:
    """Effect of kind "delete_reply". A reply that is already gone is success, so repeating is harmless."""

    directory: Callable[[], Directory]
    platforms: Platforms
    lease: timedelta = LEASES["effect"]

    def grace(self, row: Row) -> timedelta:
        return timedelta()

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        """A reply that makes room is deleted only while the next one may be posted at once."""
        case = await unit.case(row.payload["case"])
        if "attempt" in row.payload and not row.sending:
            rules = self.directory().rules(case.brand, case.mention.key.platform)
            if rules is None:
                return _out_of_configuration(unit, case)
            if (held := await _held(unit, case, rules, row)) is not None:
                return held
        if "attempt" not in row.payload and _gone_already(case, row.payload["reply"]):
            return Drop("it was deleted already")
        return Call({"mention": pack(case.mention), "reply": row.payload["reply"]})

    async def send(self, row: Row, call: Call) -> None:
        mention = unpack(call.data["mention"])
        platform = self.platforms(mention)
        if platform is None:
            raise NeedsLogin("the source of this mention is not configured any more")
        await platform.delete(mention, call.data["reply"])

    async def record(self, unit: Unit, row: Row, call: Call, result: None) -> Verdicts:
        return await _settle(unit, row, self.directory(), a.ReplyDeleted(), Done(), sending=True)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        if (isinstance(error, Unsure) and row.attempts < row.max_attempts) or _may_pass(row, error):
            return None
        return await _settle(unit, row, self.directory(), a.ReplyStays(reason=reason(error)), Done())

    async def find(self, row: Row, call: Call) -> Any | None:
        raise Unsure("deleting again is harmless")

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        if row.attempts < row.max_attempts:
            return Later(unit.now, reason(error))
        return await _settle(unit, row, self.directory(), a.ReplyStays(reason=reason(error)), Done())


def _gone_already(case: Case, external_id: str) -> bool:
    """Where a platform keeps one reply, all that ever stood have the same id."""
    called_so = [reply for reply in case.replies if reply.external_id == external_id]
    return bool(called_so) and all(reply.gone_at is not None for reply in called_so)


@dataclass(frozen=True, slots=True)
class Watch:
    """Job of kind "watch": our reply as it stands now, and the mention it answers."""

    store: Store
    directory: Callable[[], Directory]
    platforms: Platforms
    lease: timedelta = LEASES["effect"]

    async def fetch(self, row: Row) -> tuple[Case, Look] | None:
        """The case as it was when its mention was looked at."""
        case = await _read(self.store, self.directory(), row.payload["case"])
        look = None if case is None else await _look(self.platforms(case.mention), case.mention)
        return None if case is None or look is None else (case, look)

    async def apply(self, unit: Unit, row: Row, fetched: tuple[Case, Look] | None) -> Verdicts:
        case = await unit.case(row.payload["case"])
        rules, platform = self.directory().rules(case.brand, case.mention.key.platform), self.platforms(case.mention)
        if fetched is None or rules is None or platform is None or case.reply is None:
            return self._nothing_seen(unit, case)
        before, look = fetched
        if before.mention.key != case.mention.key:
            return Drop("the mention was erased meanwhile")
        if (before.mention, before.replies) != (case.mention, case.replies):
            return Later(unit.now, "the case changed while it was looked at", count=False)
        for action in seen(case, look, platform, unit.now):
            try:
                decision = decide(case, action, unit.now, rules)
            except NotAllowed:
                continue
            await apply(unit, decision)
            case = decision.case
        await self._look_again(unit, row, case)
        return Done()

    async def _look_again(self, unit: Unit, row: Row, case: Case) -> None:
        turn = row.payload["turn"]
        if case.reply is not None and (turn < len(WATCHES) or case.state is State.MODERATED):
            await unit.enqueue(f.watch(case, unit.now + WATCHES[min(turn, len(WATCHES) - 1)], turn + 1))

    def _nothing_seen(self, unit: Unit, case: Case) -> Verdicts:
        """Its source may come back, and while moderators hold a reply nothing else leads on."""
        if case.state is State.MODERATED:
            return Later(unit.now + WATCHES[-1], "the platform cannot be asked", count=False)
        return Drop("nothing to watch")

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """A look that fails is made up for by the next one; one that is refused, by an author who blocked us for one,
        is a look like any other."""
        if isinstance(error, Refused):
            await self._look_again(unit, row, await unit.case(row.payload["case"]))
            return Done()
        return Later(unit.now + WATCHES[0], reason(error), count=False) if isinstance(error, DeskError) else None


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Job of kind "read_page": one look at the page that a person named as that of their reply."""

    store: Store
    directory: Callable[[], Directory]
    shows: ReadsPage
    lease: timedelta = LEASES["effect"]

    async def fetch(self, row: Row) -> a.PageRead | None:
        case = await _read(self.store, self.directory(), row.payload["case"])
        reply = None if case is None else case.reply
        if reply is None or not reply.url:
            return None
        return a.PageRead(url=reply.url, shows=await self.shows(reply.url, reply.text))

    async def apply(self, unit: Unit, row: Row, fetched: a.PageRead | None) -> Verdicts:
        if fetched is None:
            return Drop("nothing to look for")
        verdict = await _settle(unit, row, self.directory(), fetched, Done())
        return Drop(verdict.error) if isinstance(verdict, Later) else verdict

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """Nothing hangs on it, so nobody is asked to look at it either."""
        return None if row.attempts < row.max_attempts else Drop(reason(error))


def seen(case: Case, look: Look, platform: Platform, now: datetime) -> list[a.Action]:
    """What a look at an answered case tells: the reply visible, changed or vanished; the mention edited or gone."""
    told: list[a.Action] = []
    reply = case.reply
    if reply is not None and look.mention is not None:
        told += _reply_seen(reply, look, platform, now)
    if look.mention is None:
        told.append(a.MentionDeleted())
    elif look.mention.fingerprint != case.mention.fingerprint:
        told.append(a.MentionEdited(mention=look.mention))
    return told


def _reply_seen(reply: Reply, look: Look, platform: Platform, now: datetime) -> list[a.Action]:
    mine = _mine(reply, look, platform)
    if mine is None:
        listed = reply.verified and now > reply.posted_at + platform.card.grace
        return [a.ReplyVanished()] if listed and reply.visible_at is not None else []
    if mine.standing == "refused":
        refused = a.ReplyVanished if reply.visible_at else a.ModeratorsRefused
        return [refused(reason=mine.reason)]
    if not platform.same(reply.text, mine.text):
        return [a.ReplyChanged(text=mine.text)]
    return [a.BecameVisible(at=now)] if reply.visible_at is None and mine.standing == "public" else []


def _mine(reply: Reply, look: Look, platform: Platform) -> OfficialReply | None:
    by_id = next((r for r in look.replies if reply.external_id and r.external_id == reply.external_id), None)
    return by_id or next((r for r in look.replies if platform.same(reply.text, r.text)), None)

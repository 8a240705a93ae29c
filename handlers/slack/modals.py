"""Forms: a press that needs answers opens a modal, and submitting it is the press with the answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from desk.errors import Gone, NotAllowed
from desk.forms import PRESSES, Answers, Field
from desk.service import Form, Outcome, Pressed
from desk.view import Say
from handlers.people import Tongue, addressed, told
from handlers.slack.blocks import clip, size
from handlers.slack.errors import CALL_ERRORS, code_of
from handlers.slack.values import Reading, Value, plain
from handlers.slack.workspace import LONGEST_TEXT, Where, Workspace, refusal
from handlers.words import blank, say

log = logging.getLogger("replydesk.slack")

Json = dict[str, Any]

CALLBACK = "desk:form"
DECIDES = "form:"
"""Begins the action_id of a choice that further questions depend on."""

TITLE, OPTION, OPTIONS, RADIO = 24, 75, 100, 10
"""Block Kit: characters of a modal's title and of an option; options of a menu, and of radio buttons."""

TOO_LATE = {"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id"}

FIELD_OF = {
    "reason_needed": "reason",
    "nobody_chosen": "to",
    "not_of_staff": "to",
    "outcome_needed": "outcome",
    "text_empty": "text",
    "text_too_long": "text",
}
"""Where a refusal is shown; any other one stands under the first question."""


class Meta(NamedTuple):
    """What a modal remembers, in private_metadata (Slack: 3,000 characters). It can be forged: it carries no rights."""

    action: str
    case: int
    version: int
    channel: str = ""
    thread: str = ""


def encode(meta: Meta) -> str:
    return json.dumps({"v": 1, **meta._asdict()}, separators=(",", ":"))


def decode(text: object) -> Meta | None:
    """None for what we never made."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
        if not isinstance(found, dict) or found.pop("v", None) != 1:
            return None
        meta = Meta(**found)
    except (ValueError, TypeError):
        return None
    numbers = all(type(n) is int for n in (meta.case, meta.version))
    texts = all(type(t) is str for t in (meta.action, meta.channel, meta.thread))
    return meta if numbers and texts and meta.action in PRESSES else None


def asks(action: str) -> bool:
    return action in PRESSES and bool(PRESSES[action].fields)


# the modal


def form_view(form: Form, meta: Meta, answers: Answers, to: Tongue) -> Json:
    """The fields that these answers make relevant. A field keeps its ids, so that Slack keeps what was typed in it."""
    blocks = [_input(form, f, start, to) for f, start in form.fields if f.when(answers)]
    title, send = say(Say(f"button_{form.action}"), *to), say(Say("slack_save"), *to)
    return _modal(title, blocks, to) | {"submit": _plain(send, TITLE), "private_metadata": encode(meta)}


def notice_view(outcome: Outcome, title: str, to: Tongue, now: Any) -> Json:
    text = told(outcome, to, now) or "…"
    return _modal(title, [{"type": "section", "text": _plain(text, LONGEST_TEXT)}], to)


def _modal(title: str, blocks: list[Json], to: Tongue) -> Json:
    close = _plain(say(Say("button_cancel"), *to), TITLE)
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": _plain(title, TITLE),
        "close": close,
        "blocks": blocks,
    }


def _plain(text: str, most: int) -> Json:
    return {"type": "plain_text", "text": clip(text, most) or "…", "emoji": False}


def _input(form: Form, field: Field, start: str, to: Tongue) -> Json:
    kind = "slack" if field.kind == "text" else "ask"
    label = say(Say(f"{kind}_{form.action}_{field.name}", {"case": form.case.id}), *to)
    block: Json = {"type": "input", "block_id": field.name, "label": _plain(label, 2_000)}
    block |= {"element": _element(form, field, start, to), "optional": not field.required}
    if field.current:
        block["hint"] = _plain(say(_limit(form), *to), 2_000)
    if _decides(form, field):
        block["dispatch_action"] = True
    return block


def _limit(form: Form) -> Say:
    """The platform's own limit, where it is nearer than that of the input."""
    card = form.rules.at(form.case.mention).card
    if card.unit == "characters" and card.longest is not None and card.longest <= LONGEST_TEXT:
        return Say("slack_limit", {"platform": card.title, "longest": card.longest})
    return Say("slack_longer")


def _element(form: Form, field: Field, start: str, to: Tongue) -> Json:
    action_id = f"{DECIDES}{field.name}" if _decides(form, field) else field.name
    if field.kind == "text":
        element: Json = {"type": "plain_text_input", "action_id": action_id, "max_length": LONGEST_TEXT}
        element["multiline"] = field.name not in ("link", "proof")
        return element | ({"initial_value": start} if start else {})
    options = [_option(text, value) for value, text in _choices(form, field, to)][:OPTIONS]
    kind = "radio_buttons" if field.kind == "choice" and len(options) <= RADIO else "static_select"
    return {"type": kind, "action_id": action_id, "options": options}


def _choices(form: Form, field: Field, to: Tongue) -> list[tuple[str, str]]:
    if field.kind == "person":
        return [(p.key, p.name) for p in form.people]
    return [(o, say(Say(f"option_{o}"), *to)) for o in field.options]


def _option(text: str, value: str) -> Json:
    return {"text": _plain(text, OPTION), "value": value}


def _decides(form: Form, field: Field) -> bool:
    """Whether other questions come and go with this one's answer."""
    seen = {tuple(f.name for f, _ in form.fields if f.when({field.name: option})) for option in field.options}
    return len(seen) > 1


def answers_of(values: Mapping[str, Any], reading: Reading) -> Answers:
    """`state.values` of a view: what was chosen and typed so far; an empty text is an answer too."""
    found: Answers = {}
    for name, state in _states(values):
        chosen = state.get("selected_option")
        if state.get("type") == "plain_text_input":
            text = plain(str(state.get("value") or ""), reading)
            found[name] = "" if blank(text) else text
        elif isinstance(chosen, Mapping):
            found[name] = str(chosen.get("value"))
    return found


def _states(values: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each question with what its element holds; what has another shape holds nothing."""
    for name, block in values.items() if isinstance(values, Mapping) else ():
        for state in block.values() if isinstance(block, Mapping) else ():
            if isinstance(state, Mapping):
                yield name, state


# what happens


class Modals:
    def __init__(self, workspace: Workspace) -> None:
        self.ws = workspace

    async def open(self, trigger: str, value: Value, where: Where, idem: str) -> None:
        """Within the trigger's three seconds, with an empty modal where the form takes long to make."""
        meta = Meta(value.action, value.case, value.version, where.channel, where.thread)
        work = asyncio.create_task(self._made(meta, where, idem))
        done, _ = await asyncio.wait({work}, timeout=self.ws.loading)
        try:
            if done:
                await self._open_made(trigger, work.result(), where)
            else:
                await self._open_empty(trigger, work, meta, where)
        except CALL_ERRORS as error:
            late = code_of(getattr(error, "response", None)) in TOO_LATE
            log.warning("%s: no modal for %s: %s", self.ws.key, meta.action, error)
            await self.ws.tell(Outcome("slack_too_late" if late else "slack_failed", ok=False), where)

    async def _open_made(self, trigger: str, made: Json | Outcome, where: Where) -> None:
        if isinstance(made, Outcome):
            await self.ws.tell(made, where)
        else:
            await self.ws.client.views_open(trigger_id=trigger, view=made)

    async def _open_empty(self, trigger: str, work: asyncio.Task[Json | Outcome], meta: Meta, where: Where) -> None:
        to, title = self.ws.tongue(where), self._title(meta, where)
        empty = notice_view(Outcome("slack_loading"), title, to, self.ws.now())
        opened = (await self.ws.client.views_open(trigger_id=trigger, view=empty))["view"]
        made = await work
        if isinstance(made, Outcome):
            made = self._addressed(made, where)
        view = notice_view(made, title, to, self.ws.now()) if isinstance(made, Outcome) else made
        await self.ws.client.views_update(view_id=opened["id"], hash=opened["hash"], view=view)

    def _title(self, meta: Meta, where: Where) -> str:
        return say(Say(f"button_{meta.action}"), *self.ws.tongue(where))

    async def _made(self, meta: Meta, where: Where, idem: str) -> Json | Outcome:
        try:
            return await self._view(meta, where, idem)
        except Exception:
            log.exception("%s: no form for %s", self.ws.key, meta.action)
            return Outcome("slack_failed", ok=False)

    async def _view(self, meta: Meta, where: Where, idem: str) -> Json | Outcome:
        """The modal; or why there is none. A text that no input holds is asked for in the thread instead."""
        who = self.ws.person(where.user, where.home)
        try:
            form = await self.ws.desk.form(who, meta.action, meta.case, meta.version)
        except (NotAllowed, Gone) as no:
            return refusal(no, meta.case)
        if any(f.kind == "person" for f, _ in form.fields) and not form.people:
            return Outcome("slack_nobody", ok=False)
        if any(size(start) > LONGEST_TEXT for _, start in form.fields):
            room = self.ws.room(meta.channel)
            pressed = Pressed(idem, who, meta.action, meta.case, meta.version, room, meta.thread)
            return await self.ws.desk.press(pressed)
        return form_view(form, meta, {}, self.ws.tongue(where))

    async def changed(self, view: Mapping[str, Any], where: Where) -> None:
        """A choice was made that other questions depend on; the hash keeps a slow answer from undoing a newer one."""
        meta = decode(view.get("private_metadata"))
        if meta is None:
            return
        answers = answers_of(view["state"]["values"], self.ws.reading())
        try:
            form = await self.ws.desk.form(self.ws.person(where.user, where.home), meta.action, meta.case, meta.version)
            shown = form_view(form, meta, answers, self._tongue(meta, where))
            await self.ws.client.views_update(view_id=view["id"], hash=view["hash"], view=shown)
        except (NotAllowed, Gone) as no:
            log.info("%s: a form of case %s is out of date: %s", self.ws.key, meta.case, no)
        except CALL_ERRORS as error:
            log.warning("%s: a form was not redrawn: %s", self.ws.key, error)

    def _tongue(self, meta: Meta, where: Where) -> Tongue:
        return self.ws.tongue(where._replace(channel=meta.channel))

    async def submitted(self, ack: Any, view: Mapping[str, Any], where: Where) -> None:
        """One transaction, then the acknowledgement with its outcome: errors under the questions, or a closed modal."""
        meta = decode(view.get("private_metadata"))
        if meta is None:
            no, to = Outcome("unknown_button", ok=False), self.ws.tongue(where)
            await ack(response_action="update", view=notice_view(no, self.ws.bot_name, to, self.ws.now()))
            return
        where = where._replace(channel=meta.channel, thread=meta.thread)
        answers = answers_of(view["state"]["values"], self.ws.reading())
        work, done = await self.ws.settled(self.ws.desk.press(self._pressed(meta, view, answers, where)))
        if not done:
            await ack()
            self.ws.later(self._told_later(work, where))
        elif (outcome := work.result()).ok:
            await ack()
        else:
            await ack(response_action="errors", errors=self._errors(outcome, view, where))

    def _pressed(self, meta: Meta, view: Mapping[str, Any], answers: Answers, where: Where) -> Pressed:
        who, room = self.ws.person(where.user, where.home), self.ws.room(meta.channel)
        idem = submission_idem(view, answers)
        return Pressed(idem, who, meta.action, meta.case, meta.version, room, meta.thread, "", answers)

    async def _told_later(self, work: asyncio.Task[Outcome], where: Where) -> None:
        try:
            outcome = await work
        except Exception:
            log.exception("%s: a form was not taken", self.ws.key)
            outcome = Outcome("slack_failed", ok=False)
        await self.ws.tell(outcome, where)

    def _errors(self, outcome: Outcome, view: Mapping[str, Any], where: Where) -> dict[str, str]:
        asked = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
        field = FIELD_OF.get(outcome.key, "")
        words = told(self._addressed(outcome, where), self.ws.tongue(where), self.ws.now())
        return {field if field in asked else asked[0]: clip(words, 500)}

    def _addressed(self, outcome: Outcome, where: Where) -> Outcome:
        return addressed(outcome, self.ws.person(where.user, where.home))


def submission_idem(view: Mapping[str, Any], answers: Answers) -> str:
    """View, hash and answers: after an error the hash stays, and better answers are a new attempt."""
    said = hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()[:24]
    return f"slack:view:{view['id']}:{view.get('hash', '')}:{said}"

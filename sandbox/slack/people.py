"""The people's side: what somebody with Slack open in front of them can do."""

from __future__ import annotations

import base64
import mimetypes
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.slack import responses
from sandbox.slack.blocks import elements, problems_of_view, too_large
from sandbox.slack.courier import Courier
from sandbox.slack.inputs import STATE, answer_of, complaints, fill
from sandbox.slack.state import Channel, File, Impossible, Json, Message, Refused, Team, User, View, World
from sandbox.slack.talk import Talk

TROUBLE = "We had some trouble connecting. Try again?"
WARNING = "This app did not respond."


class People:
    """Every method names the workspace first. Raises Impossible where Slack's own client would stop a person."""

    world: World
    talk: Talk
    courier: Courier

    def write(
        self,
        team: str,
        user: str,
        channel: str,
        text: str,
        thread_ts: str | None = None,
        files: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """Posts what a person typed; returns its ts. A file is {"name", "content": str or bytes, or "base64"}."""
        space, room = self._place(team, user, channel)
        parent = room.find(thread_ts) if thread_ts else None
        if thread_ts and (parent is None or parent.is_reply):
            raise Impossible(f"no thread {thread_ts} in {channel}")
        if not text and not files:
            raise Impossible("nothing to send")
        stored, parts = space.encode(text)
        message = Message(self.world.new_ts(), user, stored, _rich(parts), thread_ts or "")
        message.client_msg_id = str(uuid.uuid4())
        if files:
            message.subtype = "file_share"
            message.files = [self._file(space, user, one) for one in files]
            self.talk.share(space, room, message)
        else:
            self.talk.post(space, room, message)
        return message.ts

    def edit(self, team: str, user: str, channel: str, ts: str, text: str) -> None:
        """Changes one's own message."""
        space, room = self._place(team, user, channel)
        message = self._own(room, user, ts)
        stored, parts = space.encode(text)
        self.talk.change(space, room, message, stored, _rich(parts))

    def delete(self, team: str, user: str, channel: str, ts: str) -> None:
        """Deletes one's own message; a parent with replies leaves a tombstone."""
        space, room = self._place(team, user, channel)
        self.talk.remove(space, room, self._own(room, user, ts))

    def react(self, team: str, user: str, channel: str, ts: str, name: str) -> None:
        space, room = self._place(team, user, channel)
        message = self._seen(room, user, ts)
        if user in message.reactions.get(name, []):
            raise Impossible(f"{user} already reacted with {name}")
        self.talk.react(space, room, message, user, name)

    def direct(self, team: str, user: str) -> str:
        """The id of the person's conversation with the app."""
        space = self.world.team(team)
        return space.direct(space.user(user).id).id

    async def press(
        self,
        team: str,
        user: str,
        channel: str,
        ts: str,
        action_id: str,
        value: Any = None,
        block_id: str | None = None,
        stale: bool = False,
    ) -> Json:
        """Presses a button or picks from a menu on a message. Returns {"acked", "payload", "seconds"}.

        `value` tells equal buttons apart, or names the option picked. The button must be there now; with
        `stale` it may also be one that was there before, on a screen that did not refresh.
        """
        space, room = self._place(team, user, channel, writing=False)
        message = self._seen(room, user, ts)
        faces = [{"blocks": message.blocks}, *(message.past[::-1] if stale else [])]
        block, element = _find(faces, action_id, value, block_id)
        _remember(message.state, block, element, value)
        payload = self._message_payload(space, room, message, user, "block_actions")
        payload |= {
            "container": _container(room, message),
            "state": {"values": message.state},
            "actions": [self._action(block, element, value)],
        }
        result = await self.courier.interact(space, "interactive", payload)
        return self._warn(space, user, result)

    async def press_in_view(
        self,
        team: str,
        user: str,
        view_id: str,
        action_id: str,
        value: Any = None,
        block_id: str | None = None,
        values: dict[str, dict[str, Any]] | None = None,
    ) -> Json:
        """The same inside a modal or on the App Home; `values` is what is typed in the inputs so far."""
        space = self.world.team(team)
        view = self._view(space, user, view_id)
        fill(view.body["blocks"], view.state, values or {})
        block, element = _find([view.body], action_id, value, block_id)
        _remember(view.state, block, element, value)
        trigger_view = view.id if view.id in space.views else ""
        payload = self._payload(space, space.user(user), "block_actions", trigger_view)
        payload |= {
            "container": {"type": "view", "view_id": view.id},
            "view": self.talk.view_json(space, view),
            "actions": [self._action(block, element, value)],
        }
        return self._warn(space, user, await self.courier.interact(space, "interactive", payload))

    async def submit(self, team: str, user: str, view_id: str, values: dict[str, dict[str, Any]] | None = None) -> Json:
        """Submits a modal; `values` is {block_id: {action_id: text, option value or list}}.

        Returns {"acked", "payload", "seconds"}; what the app answered shows in the snapshot's views. Raises
        Impossible when a required input is empty: Slack's client sends nothing then.
        """
        space = self.world.team(team)
        view = self._modal(space, user, view_id)
        if not view.body.get("submit"):
            raise Impossible(f"view {view_id} has nothing to submit")
        fill(view.body["blocks"], view.state, values or {})
        view.errors = complaints(view.body["blocks"], view.state)
        if view.errors:
            self.talk.notify()
            raise Impossible("; ".join(f"{block}: {text}" for block, text in view.errors.items()))
        payload = self._payload(space, space.user(user), "view_submission", view.id)
        payload |= {"view": self.talk.view_json(space, view), "response_urls": []}
        result = await self.courier.interact(space, "interactive", payload, accepts_payload=True)
        self._after_submit(space, view, result)
        return result

    def close_view(self, team: str, user: str, view_id: str) -> None:
        """Closes a modal; the app hears of it when it asked to (notify_on_close)."""
        space = self.world.team(team)
        view = self._modal(space, user, view_id)
        everything = bool(view.body.get("clear_on_close"))
        if view.body.get("notify_on_close"):
            payload = self._payload(space, space.user(user), "view_closed")
            del payload["trigger_id"]
            payload |= {"view": self.talk.view_json(space, view), "is_cleared": everything}
            self.courier.tasks.start(lambda: self._send(space, payload))
        if everything:
            self.talk.clear_views(space, user)
        else:
            self.talk.pop_view(space, view)

    async def command(self, team: str, user: str, channel: str, command: str, text: str = "") -> Json:
        """A slash command. Returns {"acked", "payload", "seconds"}; an answer in the ack is posted."""
        space, room = self._place(team, user, channel)
        if "commands" not in space.scopes:
            raise Impossible(f"{command} is not a valid command")
        stored, _ = space.encode(text, command=True)
        person = space.user(user)
        url = self.world.new_response_url(space, user, room)
        payload = {
            "token": "sandbox-verification-token",
            "team_id": space.id,
            "team_domain": space.domain,
            "channel_id": room.id,
            "channel_name": "directmessage" if room.kind == "im" else room.name,
            "user_id": user,
            "user_name": person.handle,
            "command": command,
            "text": stored,
            "api_app_id": space.app.id,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": self.world.new_trigger(space, user),
        }
        result = await self.courier.interact(space, "slash_commands", payload, accepts_payload=True)
        self._after_command(space, room, user, url, result)
        return result

    async def shortcut(self, team: str, user: str, channel: str, ts: str, callback_id: str) -> Json:
        """A shortcut from a message's menu; with an empty `ts`, a global one."""
        space = self.world.team(team)
        person = space.user(user)
        if ts:
            _, room = self._place(team, user, channel, writing=False)
            payload = self._message_payload(space, room, self._seen(room, user, ts), user, "message_action")
            payload |= {"message_ts": ts}
        else:
            payload = self._payload(space, person, "shortcut")
        payload |= {"callback_id": callback_id, "action_ts": self.world.new_ts()}
        return self._warn(space, user, await self.courier.interact(space, "interactive", payload))

    def open_home(self, team: str, user: str) -> None:
        """Opens the App Home: the app hears app_home_opened, with the view it published, if any."""
        space = self.world.team(team)
        room = space.direct(space.user(user).id)
        event: Json = {"type": "app_home_opened", "user": user, "channel": room.id, "tab": "home"}
        home = space.homes.get(user)
        if home is not None:
            event["view"] = self.talk.view_json(space, home)
        self.talk.tell(space, room, event)

    def redeliver(self, envelope_id: str) -> None:
        """The same envelope again, marked as a retry. Raises Impossible for an unknown one."""
        try:
            self.courier.redeliver(envelope_id)
        except KeyError:
            raise Impossible(f"no envelope {envelope_id}") from None

    def _place(self, team: str, user: str, channel: str, writing: bool = True) -> tuple[Team, Channel]:
        space = self.world.team(team)
        room = space.channel(channel)
        if space.user(user).id not in room.members:
            raise Impossible(f"{user} is not in {channel}")
        if writing and room.archived:
            raise Impossible(f"{channel} is archived")
        return space, room

    def _seen(self, room: Channel, user: str, ts: str) -> Message:
        message = room.find(ts)
        if message is None or message.ephemeral_for not in ("", user):
            raise Impossible(f"no message {ts} in {room.id}")
        return message

    def _own(self, room: Channel, user: str, ts: str) -> Message:
        message = self._seen(room, user, ts)
        if message.user != user:
            raise Impossible(f"message {ts} is not by {user}")
        return message

    def _view(self, space: Team, user: str, view_id: str) -> View:
        view = space.any_view(view_id)
        if view is None or view.user != user:
            raise Impossible(f"{user} has no view {view_id} open")
        return view

    def _modal(self, space: Team, user: str, view_id: str) -> View:
        view = self._view(space, user, view_id)
        if space.stacks.get(user, [])[-1:] != [view_id]:
            raise Impossible(f"view {view_id} is not the modal on top")
        return view

    def _file(self, space: Team, user: str, given: Mapping[str, Any]) -> File:
        content = base64.b64decode(given["base64"]) if "base64" in given else given.get("content", b"")
        data = content.encode() if isinstance(content, str) else bytes(content)
        file = self.talk.new_file(space, str(given["name"]), len(data), user, data)
        file.mimetype = str(given.get("mimetype") or mimetypes.guess_type(file.name)[0] or file.mimetype)
        return file

    def _payload(self, space: Team, user: User, kind: str, view: str = "") -> Json:
        return {
            "type": kind,
            "token": "sandbox-verification-token",
            "team": {"id": space.id, "domain": space.domain},
            "user": {"id": user.id, "username": user.handle, "name": user.handle, "team_id": user.home_team},
            "api_app_id": space.app.id,
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": self.world.new_trigger(space, user.id, view),
        }

    def _message_payload(self, space: Team, room: Channel, message: Message, user: str, kind: str) -> Json:
        payload = self._payload(space, space.user(user), kind)
        name = "directmessage" if room.kind == "im" else room.name
        payload |= {
            "channel": {"id": room.id, "name": name},
            "response_url": self.world.new_response_url(space, user, room, message),
        }
        if not message.ephemeral_for:
            payload["message"] = self.world.message_json(space, room, message)
        return payload

    def _action(self, block: Json, element: Json, value: Any) -> Json:
        shown: Json = {key: element[key] for key in ("text", "value", "style", "url", "placeholder") if key in element}
        action = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
        if element["type"] == "overflow":
            shown["selected_option"] = next(one for one in element["options"] if one["value"] == value)
        elif element["type"] != "button":
            shown |= answer_of(element, value)
        return action | shown | {"action_ts": self.world.new_ts()}

    async def _send(self, space: Team, payload: Json) -> None:
        await self.courier.interact(space, "interactive", payload)

    def _warn(self, space: Team, user: str, result: Json) -> Json:
        if not result["acked"]:
            space.alerts.append({"user": user, "text": WARNING, "at": self.world.now()})
            self.talk.notify()
        return result

    def _after_submit(self, space: Team, view: View, result: Json) -> None:
        if view.id not in space.views:
            return
        answer = result["payload"] or {}
        action = answer.get("response_action", "") if result["acked"] else "none"
        react = {
            "": self._submitted,
            "clear": self._submit_cleared,
            "errors": self._submit_errors,
            "update": self._submit_updated,
            "push": self._submit_pushed,
        }.get(action)
        try:
            if react is None:
                raise Refused("no sound acknowledgement")
            react(space, view, answer)
        except Refused as refused:
            view.errors = {"": TROUBLE}
            space.alerts.append({"user": view.user, "text": f"{TROUBLE} ({refused.code})", "at": self.world.now()})
        self.talk.notify()

    def _submitted(self, space: Team, view: View, answer: Json) -> None:
        self.talk.pop_view(space, view)

    def _submit_cleared(self, space: Team, view: View, answer: Json) -> None:
        self.talk.clear_views(space, view.user)

    def _submit_errors(self, space: Team, view: View, answer: Json) -> None:
        inputs = {block["block_id"] for block in view.body["blocks"] if block["type"] == "input"}
        errors = answer.get("errors")
        if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
            raise Refused("errors only for block ids of input blocks")
        view.errors = {str(block): str(text) for block, text in errors.items()}

    def _submit_updated(self, space: Team, view: View, answer: Json) -> None:
        self.talk.update_view(view, _sound_view(answer))

    def _submit_pushed(self, space: Team, view: View, answer: Json) -> None:
        self.talk.push_view(space, view.user, _sound_view(answer))

    def _after_command(self, space: Team, room: Channel, user: str, url: str, result: Json) -> None:
        answer = result["payload"] or {}
        if not result["acked"]:
            self._warn(space, user, result)
        elif answer.get("text") or answer.get("blocks"):
            place = self.world.responses[url.rpartition("/")[2]]
            try:
                responses.answer(self.talk, space, room, place, answer)
            except Refused as refused:
                space.alerts.append({"user": user, "text": refused.code, "at": self.world.now()})


def _rich(parts: list[Json]) -> list[Json]:
    section = {"type": "rich_text_section", "elements": parts}
    return [{"type": "rich_text", "elements": [section]}] if parts else []


def _container(room: Channel, message: Message) -> Json:
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": room.id,
        "is_ephemeral": bool(message.ephemeral_for),
    }
    return container | ({"thread_ts": message.thread_ts} if message.thread_ts else {})


def _find(faces: list[Json], action_id: str, value: Any, block_id: str | None) -> tuple[Json, Json]:
    """The one element meant, on the newest face that has it."""
    for face in faces:
        found = [
            (block, element)
            for block in face.get("blocks", [])
            for element in elements(block)
            if element["action_id"] == action_id
            and block_id in (None, block["block_id"])
            and (element["type"] != "button" or value in (None, element.get("value")))
        ]
        if len(found) > 1:
            raise Impossible(f"several elements {action_id}: name the block or the value")
        if found:
            return found[0]
    raise Impossible(f"no element {action_id} there")


def _remember(state: Json, block: Json, element: Json, value: Any) -> None:
    if element["type"] == "overflow" and value not in [one["value"] for one in element["options"]]:
        raise Impossible(f"no such option: {value}")
    if element["type"] in STATE:
        state.setdefault(block["block_id"], {})[element["action_id"]] = answer_of(element, value)


def _sound_view(answer: Json) -> Json:
    view = answer.get("view")
    problems = problems_of_view(view, "modal")
    if problems or not isinstance(view, dict) or too_large(view):
        raise Refused("; ".join(problems) or "view_too_large")
    return view

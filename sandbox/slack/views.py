"""views.*"""

from __future__ import annotations

from sandbox.slack.blocks import problems_of_view, too_large
from sandbox.slack.chat import parsed, refused_arguments, text
from sandbox.slack.state import Json, Refused, Team, View
from sandbox.slack.talk import Talk


def view_body(team: Team, params: Json, kind: str, own: View | None = None) -> Json:
    """A sound view of this kind. Raises Refused: invalid_arguments, view_too_large, duplicate_external_id."""
    body = parsed(params, "view", "invalid_arguments")
    if not isinstance(body, dict):
        raise refused_arguments("missing required field: view")
    problems = problems_of_view(body, kind)
    if problems:
        raise refused_arguments(*problems)
    if too_large(body):
        raise Refused("view_too_large")
    external = body.get("external_id")
    if external and any(view is not own and view.body.get("external_id") == external for view in _all(team)):
        raise Refused("duplicate_external_id")
    return body


def _all(team: Team) -> list[View]:
    return [*team.views.values(), *team.homes.values()]


def open_view(talk: Talk, team: Team, params: Json) -> Json:
    body = view_body(team, params, "modal")
    trigger = talk.world.exchange(team, text(params, "trigger_id"))
    return {"view": talk.view_json(team, talk.open_view(team, trigger.user, body))}


def push(talk: Talk, team: Team, params: Json) -> Json:
    body = view_body(team, params, "modal")
    trigger = talk.world.exchange(team, text(params, "trigger_id"))
    if trigger.view not in team.stacks.get(trigger.user, []):
        raise Refused("invalid_trigger_id")
    return {"view": talk.view_json(team, talk.push_view(team, trigger.user, body))}


def _check_hash(view: View | None, params: Json) -> None:
    wanted = params.get("hash")
    if wanted and view is not None and wanted != view.hash:
        raise Refused("hash_conflict")


def update(talk: Talk, team: Team, params: Json) -> Json:
    external = params.get("external_id")
    found = team.any_view(str(params.get("view_id", "")))
    view = found or next((v for v in _all(team) if external and v.body.get("external_id") == external), None)
    if view is None:
        raise Refused("not_found")
    body = view_body(team, params, view.body["type"], view)
    _check_hash(view, params)
    talk.update_view(view, body)
    return {"view": talk.view_json(team, view)}


def publish(talk: Talk, team: Team, params: Json) -> Json:
    user = text(params, "user_id")
    if user not in team.users:
        raise refused_arguments("user_id is not a valid user [json-pointer:/user_id]")
    view = team.homes.get(user)
    body = view_body(team, params, "home", view)
    _check_hash(view, params)
    if view is None:
        view = team.homes[user] = talk.new_view(team, user, body)
        talk.notify()
    else:
        talk.update_view(view, body)
    return {"view": talk.view_json(team, view)}

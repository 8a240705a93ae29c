from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from standardwebhooks import Webhook

from bot import http, intake
from bot.http import HookSource, HttpDeps, Knocker, Listener, http_app
from bot.metrics import Metrics
from collectors.hooks import BadSignature, Call, Heed
from collectors.webhook import LARGEST
from desk.errors import Broken
from desk.mention import MentionKey
from desk.polling import KNOCK_GAP
from desk.ports import SourceStatus
from desk.receiving import Receive, StarsOrCheck
from desk.scope import Scope
from storage.engine import Engine
from storage.store import SqlStore, open_store
from storage.tables import mention_versions, work
from tests.desk import world

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
SECRET = "whsec_c2VjcmV0IG9mIHR3ZW50eS1mb3VyIGJ5dGVz"
SOURCE = HookSource("acme-push", "acme-coffee", SecretStr(SECRET))
REVIEW = {"id": "r-1", "text": "Cold coffee", "rating": 1, "published_at": "2026-11-22T08:00:00Z"}


class Directory:
    def rules(self, brand: str, platform: str = "") -> Any:
        return world.RULES


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url)
    yield opened
    await opened.close()


def deps(store: Any, **more: Any) -> HttpDeps:
    given = {"store": store, "hook": {SOURCE.key: SOURCE}.get, "metrics": Metrics().render, "now": lambda: NOW}
    return HttpDeps(**{**given, **more})


@asynccontextmanager
async def client(deps: HttpDeps) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(http_app(deps))) as opened:
        yield opened


def signed(body: bytes, push: str = "msg_1", at: datetime = NOW, secret: str = SECRET) -> dict[str, str]:
    return {
        "webhook-id": push,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(push, at, body.decode()),
    }


async def push(edge: TestClient[Any, Any], data: Any, push: str = "msg_1", **how: Any) -> tuple[int, dict[str, Any]]:
    body = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    async with edge.post("/hooks/acme-push", data=BytesIO(body), headers=signed(body, push, **how)) as answer:
        return answer.status, await answer.json()


async def waiting(store: SqlStore) -> int:
    return sum(w.rows for w in await store.waiting() if w.kind == "receive")


async def handle(store: SqlStore) -> None:
    await Engine(store, {"receive": Receive(Directory, StarsOrCheck())}, {}).drain()  # type: ignore[arg-type]


async def texts(store: SqlStore) -> list[str]:
    """Everything the mentions ever said, in order."""
    async with store.database.reader.begin() as connection:
        rows = await connection.execute(select(mention_versions.c.data).order_by(mention_versions.c.id))
        return [row.data["text"] for row in rows]


# mentions pushed


async def test_a_signed_push_is_stored_before_it_is_acknowledged(store: SqlStore) -> None:
    async with client(deps(store)) as edge:
        assert await push(edge, REVIEW) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})

    assert await waiting(store) == 1
    await handle(store)
    async with store.write(scope=Scope.of(["acme-coffee"])) as unit:
        kept = await unit.mention(MentionKey("acme-coffee", "webhook", "acme-push", "r-1"))
    assert kept is not None
    assert (kept.mention.text, kept.tone, kept.case) == ("Cold coffee", "negative", 1)


async def test_the_same_push_twice_changes_nothing_the_second_time(store: SqlStore) -> None:
    async with client(deps(store)) as edge:
        await push(edge, [REVIEW, {**REVIEW, "id": "r-2"}])
        again = await push(edge, [REVIEW, {**REVIEW, "id": "r-2"}])
        await handle(store)
        once_more = await push(edge, [REVIEW, {**REVIEW, "id": "r-2"}])

    assert again == once_more == (202, {"accepted": 0, "duplicates": 2, "rejected": []})
    assert await waiting(store) == 0
    assert await texts(store) == ["Cold coffee", "Cold coffee"]


async def test_an_old_push_that_comes_again_after_a_newer_one_does_not_take_the_edit_back(store: SqlStore) -> None:
    edited = {**REVIEW, "text": "Cold coffee, and rude"}
    async with client(deps(store)) as edge:
        await push(edge, REVIEW, "msg_1")
        await handle(store)
        assert (await push(edge, edited, "msg_2"))[1]["accepted"] == 1
        await handle(store)
        assert (await push(edge, REVIEW, "msg_1"))[1] == {"accepted": 0, "duplicates": 1, "rejected": []}

    await handle(store)
    assert await texts(store) == ["Cold coffee", "Cold coffee, and rude"]


async def test_the_same_push_twice_at_once_is_one(store: SqlStore) -> None:
    async with client(deps(store)) as edge:
        answers = await asyncio.gather(*(push(edge, REVIEW) for _ in range(6)))

    assert {status for status, _ in answers} == {202}
    assert sum(counts["accepted"] for _, counts in answers) == 1
    assert await waiting(store) == 1


async def test_known_mentions_under_a_new_push_id_are_duplicates(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        await push(edge, REVIEW, "msg_1")
        before_it_is_handled = await push(edge, [REVIEW, {**REVIEW, "id": "r-2"}], "msg_2")
        await handle(sqlite)
        after = await push(edge, REVIEW, "msg_3")

    assert before_it_is_handled[1] == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert after[1] == {"accepted": 0, "duplicates": 1, "rejected": []}


async def test_a_mention_known_from_long_ago_is_a_duplicate(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        await push(edge, REVIEW, "msg_1")
        await handle(sqlite)
        assert await sqlite.forget_seen(timedelta(seconds=-1)) > 0
        assert (await push(edge, REVIEW, "msg_9"))[1]["duplicates"] == 1

    assert await waiting(sqlite) == 0


async def test_an_edit_a_way_back_and_a_deletion_all_arrive_in_order(sqlite: SqlStore) -> None:
    edited = {**REVIEW, "text": "Better now", "rating": 4}
    async with client(deps(sqlite)) as edge:
        for number, data in enumerate([REVIEW, edited, REVIEW, {**REVIEW, "deleted": True}]):
            assert (await push(edge, data, f"msg_{number}"))[1]["accepted"] == 1

    assert await waiting(sqlite) == 4
    await handle(sqlite)
    assert await texts(sqlite) == ["Cold coffee", "Better now", "Cold coffee"]
    async with sqlite.write(scope=Scope.of(["acme-coffee"])) as unit:
        assert (await unit.case(1)).state.value == "deleted"


async def test_an_id_used_for_two_bodies_loses_neither(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        await push(edge, REVIEW, "always-1")
        assert (await push(edge, {**REVIEW, "id": "r-2"}, "always-1"))[1]["accepted"] == 1

    assert await waiting(sqlite) == 2


async def test_an_id_used_for_a_mention_and_for_its_deletion_loses_neither(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        await push(edge, REVIEW, "always-1")
        await handle(sqlite)
        assert (await push(edge, {**REVIEW, "deleted": True}, "always-1"))[1]["accepted"] == 1
        await handle(sqlite)
        assert (await push(edge, {**REVIEW, "back": True}, "always-1"))[1]["accepted"] == 1
        assert await waiting(sqlite) == 1

    async with sqlite.write(scope=Scope.of(["acme-coffee"])) as unit:
        assert (await unit.case(1)).state.value == "deleted"


async def test_bad_records_are_named_and_the_rest_is_taken(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        status, said = await push(
            edge, [REVIEW, {"id": "r-3", "text": "x", "published_at": "yesterday"}, {"text": "no id"}]
        )

    assert (status, said["accepted"]) == (202, 1)
    assert [one["index"] for one in said["rejected"]] == [1, 2]
    assert said["rejected"][0]["error"].startswith("published_at: ")


async def test_a_thousand_mentions_are_taken_in_several_transactions(
    sqlite: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "AT_ONCE", 10)
    many = [{**REVIEW, "id": f"r-{n}"} for n in range(35)]
    async with client(deps(sqlite)) as edge:
        assert (await push(edge, many))[1]["accepted"] == 35
        assert (await push(edge, many))[1]["duplicates"] == 35
        assert (await push(edge, many[5:], "msg_2"))[1]["duplicates"] == 30

    assert await waiting(sqlite) == 35


class FailsLater:
    """A store that is lost after some transactions."""

    def __init__(self, store: SqlStore, after: int) -> None:
        self.store, self.left = store, after

    def write(self, **how: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OperationalError("INSERT", {}, OSError("connection lost"))
        return self.store.write(**how)


async def test_what_was_not_wholly_stored_is_refused_and_completed_by_the_next_attempt(
    sqlite: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "AT_ONCE", 10)
    many = [{**REVIEW, "id": f"r-{n}"} for n in range(25)]
    async with client(deps(FailsLater(sqlite, 2))) as edge:
        status, said = await push(edge, many)
    async with client(deps(sqlite)) as edge:
        again = await push(edge, many)

    assert status == 503
    assert "error" in said
    assert again == (202, {"accepted": 5, "duplicates": 20, "rejected": []})
    assert await waiting(sqlite) == 25


@pytest.mark.parametrize(
    "error", [OperationalError("x", {}, OSError()), ConnectionRefusedError(), TimeoutError(), Broken("x")]
)
async def test_a_store_that_is_away_is_503(error: Exception) -> None:
    class Away:
        def write(self, **how: Any) -> Any:
            raise error

    async with client(deps(Away())) as edge:
        body = json.dumps(REVIEW).encode()
        async with edge.post("/hooks/acme-push", data=body, headers=signed(body)) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "30")


async def test_a_store_that_hangs_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs:
        @asynccontextmanager
        async def write(self, **how: Any) -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield

    monkeypatch.setattr(http, "STORE_TIME", 0.05)
    async with client(deps(Hangs())) as edge:
        assert (await push(edge, REVIEW))[0] == 503


# pushes refused


async def test_an_unknown_source_is_404(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge, edge.post("/hooks/nobody", data=b"{}") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "no such source"})


async def test_a_source_taken_out_of_the_configuration_is_404_at_once(sqlite: SqlStore) -> None:
    known = {SOURCE.key: SOURCE}
    async with client(deps(sqlite, hook=known.get)) as edge:
        assert (await push(edge, REVIEW))[0] == 202
        known.clear()
        assert (await push(edge, REVIEW))[0] == 404


OTHER = "whsec_b3RoZXIgc2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="
REFUSALS: dict[str, tuple[Callable[[bytes], dict[str, str]], int]] = {
    "no signature": (lambda body: {}, 401),
    "another secret": (lambda body: signed(body, secret=OTHER), 401),
    "another body": (lambda body: signed(body + b" "), 401),
    "six minutes old": (lambda body: signed(body, at=NOW - timedelta(minutes=6)), 401),
    "six minutes ahead": (lambda body: signed(body, at=NOW + timedelta(minutes=6)), 401),
    "time no number": (lambda body: signed(body) | {"webhook-timestamp": "now"}, 401),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_push_that_proves_nothing_is_401_and_stores_nothing(sqlite: SqlStore, case: str) -> None:
    headers, status = REFUSALS[case]
    body = json.dumps(REVIEW).encode()
    async with client(deps(sqlite)) as edge, edge.post("/hooks/acme-push", data=body, headers=headers(body)) as answer:
        assert answer.status == status

    assert await waiting(sqlite) == 0


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"id": "r-1"}', b'[{"text": "x"}]', b"null", b"7"])
async def test_a_body_with_nothing_usable_is_422(sqlite: SqlStore, body: bytes) -> None:
    async with client(deps(sqlite)) as edge:
        status, said = await push(edge, body)

    assert status == 422
    assert (said["accepted"], said["duplicates"]) == (0, 0)
    assert isinstance(said["rejected"], list)


async def test_one_mebibyte_is_taken_and_a_byte_more_is_not(sqlite: SqlStore) -> None:
    head, tail = b'{"id": "r-1", "rating": 1, "text": "', b'"}'
    whole = head + b"x" * (LARGEST - len(head) - len(tail)) + tail
    assert len(whole) == LARGEST
    async with client(deps(sqlite)) as edge:
        assert (await push(edge, whole + b" "))[0] == 413
        assert await waiting(sqlite) == 0
        assert (await push(edge, whole))[0] == 202


async def test_a_size_announced_as_too_large_is_refused_before_the_body_comes(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        head = f"POST /hooks/acme-push HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST + 1}\r\n\r\n"
        writer.write(head.encode())
        assert b" 413 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_a_chunked_body_is_cut_off_at_one_mebibyte(sqlite: SqlStore) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * LARGEST:
            sent += 65536
            yield b"x" * 65536

    async with client(deps(sqlite)) as edge:
        try:
            async with edge.post("/hooks/acme-push", data=endless()) as answer:
                assert answer.status == 413
        except (ClientConnectionError, ConnectionError):  # the server may hang up on a sender that goes on
            pass

    assert sent < 64 * LARGEST


async def test_a_small_body_that_unpacks_to_a_huge_one_is_413(sqlite: SqlStore) -> None:
    packed = gzip.compress(b"x" * 50 * LARGEST)
    assert len(packed) < LARGEST
    async with client(deps(sqlite)) as edge:
        headers = {"Content-Encoding": "gzip"}
        async with edge.post("/hooks/acme-push", data=packed, headers=headers, compress=False) as answer:
            assert answer.status == 413


async def test_a_body_that_never_ends_is_given_up(sqlite: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_TIME", 0.05)
    async with client(deps(sqlite)) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"POST /hooks/acme-push HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_neither_secret_nor_signature_nor_body_is_logged(
    sqlite: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("replydesk", "aiohttp"):
        caplog.set_level(logging.DEBUG, name)
    body = json.dumps({**REVIEW, "text": "words of a stranger"}).encode()
    async with client(deps(sqlite)) as edge:
        await push(edge, body)
        await push(edge, body, secret=OTHER)
    async with client(deps(FailsLater(sqlite, 0))) as edge:
        await push(edge, body)

    logged = caplog.text
    assert "acme-push" in logged
    for secret in (SECRET.removeprefix("whsec_"), OTHER.removeprefix("whsec_"), "v1,", "words of a stranger"):
        assert secret not in logged


# a platform's own calls


def _heed(call: Call) -> Heed:
    if call.query.get("key") != "right":
        raise BadSignature("no key")
    return Heed("ok", read=call.method == "POST", accounts=frozenset(call.body.decode().split()))


def knocker(key: str) -> Knocker | None:
    return Knocker(key, _heed, lambda heed: sorted(heed.accounts) or [key]) if key == "acme-vk" else None


async def polls(store: SqlStore) -> list[tuple[str, datetime]]:
    async with store.database.reader.begin() as connection:
        rows = await connection.execute(select(work).where(work.c.kind == "poll").order_by(work.c.id))
        return [(row.payload["source"], row.run_at) for row in rows]


async def call(edge: TestClient[Any, Any], method: str = "POST", key: str = "right", body: str = "") -> tuple[int, str]:
    async with edge.request(method, f"/hooks/acme-vk?key={key}", data=body.encode()) as answer:
        return answer.status, await answer.text()


async def test_a_platform_that_calls_is_read_at_once_and_once(store: SqlStore) -> None:
    async with client(deps(store, knocker=knocker)) as edge:
        assert [await call(edge) for _ in range(5)] == [(200, "ok")] * 5
    [(source, at)] = await polls(store)
    assert source == "acme-vk"
    assert at <= datetime.now(UTC), "it is due"


async def test_calls_in_a_row_do_not_make_a_source_read_without_a_rest(sqlite: SqlStore) -> None:
    async with sqlite.write() as unit:
        await unit.set_source(SourceStatus("acme-vk", last_try_at=unit.now))
        tried = unit.now
    async with client(deps(sqlite, knocker=knocker)) as edge:
        await call(edge)
    assert await polls(sqlite) == [("acme-vk", tried + KNOCK_GAP)]


async def test_a_call_about_several_accounts_reads_each(sqlite: SqlStore) -> None:
    async with client(deps(sqlite, knocker=knocker)) as edge:
        await call(edge, body="acme-two acme-three")
    assert [source for source, _ in await polls(sqlite)] == ["acme-three", "acme-two"]


async def test_a_question_of_the_platforms_is_answered_and_nothing_is_read(sqlite: SqlStore) -> None:
    async with client(deps(sqlite, knocker=knocker)) as edge:
        assert await call(edge, "GET") == (200, "ok")
    assert await polls(sqlite) == []


async def test_a_call_that_proves_nothing_reads_nothing(sqlite: SqlStore) -> None:
    async with client(deps(sqlite, knocker=knocker)) as edge:
        status, _ = await call(edge, key="wrong")
    assert status == 401
    assert await polls(sqlite) == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_source_whose_platform_does_not_call_has_no_address(sqlite: SqlStore, method: str) -> None:
    async with client(deps(sqlite)) as edge:
        assert (await call(edge, method))[0] == 404


async def test_a_call_that_could_not_be_noted_is_to_come_again() -> None:
    class Away:
        def write(self, *how: Any) -> Any:
            raise TimeoutError

    async with client(deps(Away(), knocker=knocker)) as edge:
        assert (await call(edge))[0] == 503


# health


async def test_alive_while_the_process_lives(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge, edge.get("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


async def well() -> str:
    return ""


async def ready(checks: dict[str, http.Check], **more: Any) -> tuple[int, dict[str, Any]]:
    async with client(deps(None, checks=checks, **more)) as edge, edge.get("/readyz") as answer:
        return answer.status, await answer.json()


async def test_ready_when_every_check_is_well(sqlite: SqlStore) -> None:
    async def database() -> str:
        async with sqlite.read() as reader:
            await reader.stops()
        return ""

    assert await ready({"database": database, "telegram": well}) == (200, {"ready": True, "reasons": {}, "notes": {}})


async def test_what_is_worth_a_note_keeps_nobody_from_being_ready() -> None:
    async def waits() -> str:
        return "another replica asks for updates"

    status, told = await ready({"database": well}, notes={"telegram": waits, "work": well})
    assert (status, told["ready"], told["notes"]) == (200, True, {"telegram": "another replica asks for updates"})


async def test_not_ready_says_which_part_and_why_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def says() -> str:
        return "not connected as 7000000001:AAHsecretsecretsecretsecret"

    async def raises() -> str:
        raise Broken("the bot was removed from the room")

    async def bug() -> str:
        raise ValueError("postgresql://desk:hunter2@db")

    async def hangs() -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(http, "CHECK_TIME", 0.05)
    status, said = await ready({"telegram": says, "slack": raises, "database": bug, "schedule": hangs, "mail": well})

    assert status == 503
    assert said["ready"] is False
    assert said["reasons"] == {
        "telegram": "not connected as ***",
        "slack": "the bot was removed from the room",
        "database": "ValueError",
        "schedule": "no answer within 0.05 s",
    }


async def test_metrics_are_prometheus_text(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge, edge.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert "replydesk_cases" in await answer.text()


# the messengers' own callbacks


@pytest.mark.parametrize("path", ["/slack/events", "/telegram"])
async def test_a_messenger_that_does_not_call_us_has_no_address(path: str) -> None:
    async with client(deps(None)) as edge, edge.post(path) as answer:
        assert answer.status == 404


async def test_calls_of_the_messengers_reach_their_handlers() -> None:
    async def named(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.path} {len(await request.read())}")

    async with client(deps(None, slack=named, telegram=named)) as edge:
        for path in ("/slack/events", "/telegram"):
            async with edge.post(path, data=b"12345") as answer:
                assert await answer.text() == f"{path} 5"
            async with edge.post(path, data=BytesIO(b"1" * (LARGEST + 1))) as answer:
                assert answer.status == 413


# listening


async def test_the_listener_answers_what_is_under_way_and_then_is_gone() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        entered.set()
        await leave.wait()
        return web.Response(text="done")

    listener = Listener(http_app(deps(None, telegram=slow)), "127.0.0.1", 0)
    await listener.start()
    async with ClientSession() as session:
        under_way = asyncio.create_task(session.post(f"http://127.0.0.1:{listener.port}/telegram"))
        await entered.wait()
        stopping = asyncio.create_task(listener.stop())
        await asyncio.sleep(0.05)
        leave.set()
        answer = await under_way
        assert await answer.text() == "done"
        await stopping
        with pytest.raises(OSError, match=r"Cannot connect|refused"):
            await session.get(f"http://127.0.0.1:{listener.port}/healthz")


async def test_an_address_in_use_is_an_error_at_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = Listener(http_app(deps(None)), "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="address already in use"):
            await listener.start()
        await listener.stop()


async def test_a_new_row_names_its_delivery(sqlite: SqlStore) -> None:
    async with client(deps(sqlite)) as edge:
        await push(edge, REVIEW, "msg_1")

    async with sqlite.database.reader.begin() as connection:
        row = (await connection.execute(select(work))).one()
    assert re.match(r"hook:acme-push:msg_1:[0-9a-f]{32}:0:r-1:", row.idem)
    assert row.lane == "mention:acme-coffee:webhook:acme-push:r-1"

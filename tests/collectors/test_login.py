"""Tokens that rotate: one holder renews, the new pair is kept before it is used, and every desk finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from collectors.http import Ask, Door
from collectors.login import EARLY, Grant, Login, Pass, granted, said_by_oauth
from desk.errors import NeedsLogin, Retry
from storage.store import SqlStore, open_store
from tests.collectors.wire import NOW, Wire, answers, now
from tests.conftest import NewStore

HOUR = timedelta(hours=1)


class Vendor:
    """Gives a new pair for the newest refresh token only, as vendors that rotate do."""

    def __init__(self, configured: str = "r0") -> None:
        self.configured, self.newest, self.given = configured, configured, 0

    async def renew(self, last: Pass | None) -> Pass:
        shown = last.kept["refresh"] if last else self.configured
        if shown != self.newest:
            raise NeedsLogin("this refresh token was used before")
        await asyncio.sleep(0)
        self.given += 1
        self.newest = f"refresh-{self.given}"
        return Pass(token=f"t{self.given}", until=NOW + HOUR, kept={"refresh": self.newest})


def login(vendor: Vendor, store: SqlStore | None, at: Callable[[], object] = now) -> Login:
    return Login(vendor.renew, at, "Site", name="acme", tokens=store)  # type: ignore[arg-type]


async def test_one_renewal_serves_all_who_ask_at_once(store: SqlStore) -> None:
    vendor = Vendor()
    ours = login(vendor, store)

    assert set(await asyncio.gather(*(ours.token() for _ in range(5)))) == {"t1"}
    assert vendor.given == 1


async def test_a_desk_that_starts_anew_goes_on_with_the_pair_that_was_kept(store: SqlStore) -> None:
    vendor = Vendor()
    await login(vendor, store).token()

    assert await login(vendor, store).token() == "t1"
    assert await login(vendor, store).token(refused="t1") == "t2"
    assert vendor.newest == "refresh-2"


async def test_two_who_share_an_account_do_not_use_up_each_others_pair(new_store: NewStore) -> None:
    url = await new_store()
    vendor = Vendor()
    first = await open_store(url, secret_key="k")
    second = first if first.database.sqlite else await open_store(url, secret_key="k")
    one, other = login(vendor, first), login(vendor, second)
    await asyncio.gather(one.token(), other.token())

    assert {await one.token(refused="t1"), await other.token(refused="t1")} == {"t2"}
    assert vendor.given == 2
    for store in {first, second}:
        await store.close()


async def test_a_pair_is_kept_before_it_is_used(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Vendor()
    ours = login(vendor, store)

    async def broken(name: str, value: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "set_token", broken)
        with pytest.raises(OSError, match="full"):
            await ours.token()
    assert await store.get_token("login:acme") is None
    with pytest.raises(NeedsLogin):
        await ours.token()  # the vendor gave it, nobody has it: a person signs in again


async def test_a_pair_that_was_given_is_kept_even_where_nobody_waits_for_it_any_more(store: SqlStore) -> None:
    vendor, given, go = Vendor(), asyncio.Event(), asyncio.Event()

    async def slow(last: Pass | None) -> Pass:
        fresh = await vendor.renew(last)
        given.set()
        await go.wait()
        return fresh

    ours = Login(slow, now, "Site", name="acme", tokens=store)
    asked = asyncio.create_task(ours.token())
    await given.wait()
    asked.cancel()  # the time for a call is over
    with suppress(asyncio.CancelledError):
        await asked
    go.set()

    assert await ours.token() == "t1"
    assert await login(vendor, store).token() == "t1"
    assert vendor.given == 1


async def test_what_was_kept_with_another_secret_key_is_begun_anew_from_the_configuration(new_store: NewStore) -> None:
    url, vendor = await new_store(), Vendor()
    before = await open_store(url, secret_key="k")
    await login(vendor, before).token()
    await before.close()
    after = await open_store(url, secret_key="another")
    with pytest.raises(NeedsLogin, match="secret_key"):
        await login(vendor, after).token()
    vendor.configured = vendor.newest  # a person signed in again

    assert await login(vendor, after).token() == "t2"
    assert await login(vendor, after).token() == "t2"
    assert vendor.given == 2
    await after.close()


async def test_a_new_refresh_token_in_the_configuration_counts_where_the_kept_one_is_dead(store: SqlStore) -> None:
    vendor = Vendor()
    await login(vendor, store).token()
    vendor.configured = vendor.newest = "fresh from a person"

    assert await login(vendor, store).token(refused="t1") == "t2"


async def test_what_is_kept_is_encrypted(store: SqlStore) -> None:
    await login(Vendor(), store).token()
    async with store.database.reader.begin() as connection:
        rows = (await connection.exec_driver_sql("SELECT name, secret FROM tokens")).all()

    assert [name for name, _ in rows] == ["login:acme"]
    assert b"refresh-1" not in bytes(rows[0][1])


async def test_a_token_that_ends_is_renewed_before_its_end() -> None:
    vendor, clock = Vendor(), [NOW]
    ours = login(vendor, None, lambda: clock[0])
    vendor.renew = _without_rotation(vendor)  # type: ignore[method-assign]
    ours = Login(vendor.renew, lambda: clock[0], "Site")
    await ours.token()
    clock[0] = NOW + HOUR

    assert await ours.token() == "t2"


def _without_rotation(vendor: Vendor) -> Callable[[Pass | None], object]:
    async def renew(last: Pass | None) -> Pass:
        vendor.given += 1
        return Pass(token=f"t{vendor.given}", until=NOW + HOUR * vendor.given)

    return renew


LIVES = [(3600, 3600 - 300), (60, 30), (0, 0)]


@pytest.mark.parametrize(("seconds", "used"), LIVES)
def test_a_short_lived_token_is_used_for_half_its_life(seconds: int, used: int) -> None:
    made = Grant(access_token="t", expires_in=seconds).as_pass(NOW)

    assert made.until == NOW + timedelta(seconds=used)
    assert timedelta(seconds=300) == EARLY


REFUSALS: list[tuple[int, bytes, type[Exception]]] = [
    (400, b'{"error": "invalid_grant", "error_description": "No."}', NeedsLogin),
    (401, b'{"error": "invalid_client"}', NeedsLogin),
    (403, b'{"error": "access_denied"}', NeedsLogin),
    (500, b"", Retry),
    (429, b"", Retry),
]


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS)
async def test_a_token_endpoint_that_says_no_is_a_login_that_ended(
    status: int, body: bytes, error: type[Exception]
) -> None:
    wire = Wire(lambda request: answers(status, body)(request, wire.serve))
    form = {"refresh_token": "kept-secret-words"}
    async with wire.client() as http:
        door = Door(http, "Site login", now, said_by_oauth)
        with pytest.raises(error) as caught:
            await granted(door, "https://login.test/token", form, NOW)
    assert "kept-secret-words" not in str(caught.value)


async def test_a_call_with_a_refused_token_is_made_once_more_with_a_new_one() -> None:
    vendor = Vendor()
    ours = Login(_without_rotation(vendor), now, "Site")  # type: ignore[arg-type]
    shown: list[str] = []

    async def how(ask: Ask) -> str:
        shown.append(ask.headers["Authorization"])
        if len(shown) == 1:
            raise NeedsLogin("expired")
        return "done"

    assert await ours.call(how, Ask("GET", "https://site.test")) == "done"  # type: ignore[arg-type,comparison-overlap]
    assert shown == ["Bearer t1", "Bearer t2"]

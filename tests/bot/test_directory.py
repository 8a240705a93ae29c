"""The directory: what the configuration names, in the domain's words; and how a changed file takes over."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from datetime import time, timedelta
from types import SimpleNamespace

import pytest

from bot import run
from bot.config import load
from bot.directory import Directory, Live
from desk import ports
from desk.errors import Retry
from desk.rules import Sla, Step
from tests.bot import sample
from tests.bot.sample import ACME, ANNA, COFFEE, DESK, MARTA, SECRETS, SOUND, TELEGRAM, changed

LEAD = ANNA.replace("anna", "boris").replace("1001", "1002").replace('"staff"', '"lead"')
BREWER = MARTA.replace("marta", "brewer").replace("U0MARTA", "U0BREWER").replace("acme", "brew")
BREW = ACME.replace('"acme"', '"brew"').replace("C0ACME", "C0BREW").replace("Acme Coffee", "Brew") + (
    COFFEE.replace('"coffee"', '"ale"')
)
TWO = changed((MARTA, MARTA + BREWER + LEAD), (DESK, DESK + 'leads_room = "telegram:-1009"\n'), after=BREW)


@pytest.fixture
def directory(tmp_path):
    return lambda text=TWO: Directory(load(sample.write(tmp_path, text), SECRETS))


def test_it_is_what_the_domain_asks_for(directory):
    found: ports.Directory = directory()
    assert [rules.brand for rules in found.brands()] == ["coffee", "ale"]
    assert found.clients() == [
        ports.Client("acme", "Acme Coffee", time(9), "Asia/Almaty", ("coffee",)),
        ports.Client("brew", "Brew", time(9), "Asia/Almaty", ("ale",)),
    ]


def test_rules_say_what_was_agreed(directory):
    agreed = (
        'language = "ru"\ntimezone = "Europe/Moscow"\n[clients.sla]\ntarget = "1h"\nwarn_at = [80]\n'
        '[clients.approval]\nsteps = [{ who = ["marta"] }]\nundo = "5m"\n'
    )
    rules = directory(changed((ACME, ACME + agreed))).rules("coffee")
    assert (rules.client, rules.client_name, rules.brand_name) == ("acme", "Acme Coffee", "Coffee")
    assert (rules.staff_room, rules.client_room) == ("telegram:-1001000000001", "slack:main/C0ACME")
    assert (rules.staff_lang, rules.client_lang, rules.timezone) == ("en", "ru", "Europe/Moscow")
    assert rules.sla == Sla(timedelta(hours=1), timedelta(hours=24), (80,))
    assert rules.steps == (Step(("marta",), 1),)
    assert rules.undo == timedelta(minutes=5)
    assert rules.posting


def test_a_brands_own_rooms_language_and_digest_win(directory):
    own = 'client_room = "slack:C0OWN"\nstaff_room = "telegram:-1005"\nlanguage = "kk"\ndigest_at = "18:30"\n'
    found = directory(changed(after=COFFEE.replace('"coffee"', '"tea"') + own))
    tea = found.rules("tea")
    assert (tea.client_room, tea.staff_room, tea.client_lang) == ("slack:main/C0OWN", "telegram:-1005", "kk")
    assert found.side_of_room("slack:main/C0OWN") == "client"
    assert [(one.digest_at, one.brands) for one in found.digests()] == [
        (time(9), ("coffee",)),
        (time(18, 30), ("tea",)),
    ]


def test_the_card_is_that_of_the_mentions_platform(directory):
    found = directory()
    assert found.rules("coffee").card.name == "google_play"
    assert found.rules("coffee", "google_play").card.can_reply
    assert found.rules("coffee", "webhook").card.name == "webhook"


def test_a_platform_the_brand_has_no_source_on_is_posted_by_hand(directory):
    found = directory()
    assert found.rules("coffee", "wordpress").card.name == "manual"
    assert found.rules("coffee", "2gis").card.name == "manual"
    assert not found.rules("ale", "google_play").card.can_reply


def test_an_unknown_brand_has_no_rules(directory):
    found = directory()
    assert found.rules("tea") is None
    assert found.knowledge("tea") is None


def test_only_those_who_serve_the_client_are_in_its_rules(directory):
    found = directory()
    assert [person.key for person in found.rules("coffee").people] == ["anna", "marta", "boris"]
    assert [person.key for person in found.rules("ale").people] == ["anna", "brewer", "boris"]


def test_ai_needs_a_server_and_the_clients_consent(directory):
    server = '[ai]\nbase_url = "https://ai.example/v1"\napi_key = "env:OPENAI_API_KEY"\nmodel = "m"\n'
    assert not directory().rules("coffee").ai
    assert directory(SOUND + server).rules("coffee").ai
    assert not directory(changed((ACME, ACME + "ai = false\n"), after=server)).rules("coffee").ai


def test_people_are_found_by_the_ids_messengers_give(directory):
    found = directory()
    assert found.person("anna").telegram == 1001
    assert found.by_telegram(1001).key == "anna"
    assert found.by_slack("main", "U0MARTA").key == "marta"
    assert found.by_telegram(5) is None
    assert found.by_slack("other", "U0MARTA") is None


def test_people_see_the_brands_of_their_clients(directory):
    found = directory()
    assert found.brands_for(found.person("anna")) == ["coffee", "ale"]
    assert found.brands_for(found.person("brewer")) == ["ale"]


def test_rooms_tell_their_side_and_their_client(directory):
    found = directory()
    assert found.side_of_room("telegram:-1001000000001") == "staff"
    assert found.side_of_room("slack:main/C0BREW") == "client"
    assert found.side_of_room("telegram:-1009") == "staff"
    assert found.side_of_room("telegram:-7") is None
    assert found.client_of_room("slack:main/C0BREW") == "brew"
    assert found.client_of_room("telegram:-1001000000001") is None
    assert [rules.brand for rules in found.brands_in("slack:main/C0BREW")] == ["ale"]
    assert [rules.brand for rules in found.brands_in("telegram:-1001000000001")] == ["coffee", "ale"]


def test_sources_are_listed_with_their_interval(directory):
    found = directory()
    assert [(s.key, s.brand, s.platform, s.every, s.pushed) for s in found.sources()] == [
        ("play", "coffee", "google_play", timedelta(minutes=5), False),
        ("hook", "coffee", "webhook", timedelta(minutes=5), True),
    ]
    assert found.source("play").settings.package == "kz.acme.coffee"
    assert found.source("none") is None
    assert (found.sources_of("coffee"), found.sources_of("ale")) == (["play", "hook"], [])


def test_the_same_file_gives_equal_sources(directory):
    assert directory().sources() == directory().sources()


def test_a_suggestion_may_draw_on_facts_signature_and_places(directory, tmp_path):
    (tmp_path / "facts.md").write_text("## Hours\n8 to 22\n")
    own = 'facts = "facts.md"\nsignature = "Your Coffee"\nplaces = [{ id = "d", name = "Dostyk 5", city = "Almaty" }]\n'
    known = directory(changed((COFFEE, COFFEE + own))).knowledge("coffee")
    assert known.facts.read_text().startswith("## Hours")
    assert (known.signature, known.places) == ("Your Coffee", {"d": "Dostyk 5, Almaty"})


def test_rules_cannot_be_changed(directory):
    with pytest.raises(dataclasses.FrozenInstanceError):
        directory().rules("coffee").undo = timedelta()


# reload


@pytest.fixture
def live(tmp_path):
    path = sample.write(tmp_path)
    return Live(load(path, SECRETS))


def test_a_sound_file_takes_over_as_a_whole(live, tmp_path):
    before = live.current
    sample.write(tmp_path, TWO)
    assert live.reload(tmp_path / "config.toml", SECRETS) == []
    assert [rules.brand for rules in live.current.brands()] == ["coffee", "ale"]
    assert [rules.brand for rules in before.brands()] == ["coffee"]
    assert live.after_restart() == []


def test_a_faulty_file_is_refused_and_the_old_one_stays_in_force(live, tmp_path):
    before = live.current, live.config
    sample.write(tmp_path, changed(('role = "approver"', 'role = "boss"')))
    (fault,) = live.reload(tmp_path / "config.toml", SECRETS)
    assert fault.key == "people[1].role"
    assert (live.current, live.config) == before


def test_a_file_that_is_gone_is_refused_too(live, tmp_path):
    before = live.current
    (tmp_path / "config.toml").unlink()
    assert len(live.reload(tmp_path / "config.toml", SECRETS)) == 1
    assert live.current is before


async def test_a_file_that_could_not_be_taken_over_is_tried_again_and_the_desk_goes_on(live, tmp_path, monkeypatch):
    """Its rooms' paces are written while others send there: PostgreSQL may give one of the two up."""
    tries = []

    async def crosses():
        tries.append(len(tries))
        if len(tries) < 3:
            raise Retry("two changes crossed each other", after=0)

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(run, "LOOK_AT_FILE", 0.01)
    taken, reload = asyncio.Event(), asyncio.Event()

    async def plan():
        taken.set()

    app = SimpleNamespace(live=live, pace=crosses, rounds=SimpleNamespace(plan=plan))
    watching = asyncio.create_task(run._watch_file(app, tmp_path / "config.toml", reload))
    reload.set()
    waiting = asyncio.create_task(taken.wait())
    await asyncio.wait([watching, waiting], timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert taken.is_set()
    assert not watching.done()
    watching.cancel()
    waiting.cancel()


async def test_who_asks_to_reload_while_the_desk_starts_does_not_end_it(live, tmp_path, monkeypatch):
    async def starts(config, path):
        assert signal.getsignal(signal.SIGHUP) not in (signal.SIG_DFL, None)
        raise OSError("it goes no further here")

    monkeypatch.setattr(run, "build", starts)
    monkeypatch.setattr(run, "setup_logs", lambda config: None)
    try:
        with pytest.raises(OSError, match="no further"):
            await run.run_desk(live.config, tmp_path / "config.toml")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)


def test_what_is_read_only_at_start_is_named(live, tmp_path):
    desk = DESK + 'listen = ""\nname = "Other"\nchromium = "chrome"\n'
    sample.write(tmp_path, changed((DESK, desk), (TELEGRAM, TELEGRAM + "group_per_minute = 30\n")))
    assert live.reload(tmp_path / "config.toml", SECRETS) == []
    assert live.after_restart() == ["telegram", "desk.listen", "desk.chromium"]

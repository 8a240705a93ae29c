from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import collectors
from collectors import PLATFORMS, Entry, known
from collectors.manual import SITES, recognise
from collectors.settings import SourceSettings, on_loopback

HEAVY = ("httpx", "feedparser", "jwt", "standardwebhooks", "selectolax", "pydantic")


def test_importing_the_register_loads_no_library() -> None:
    code = f"import sys, collectors; print([m for m in {HEAVY} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"


def test_a_platform_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_book.py").write_text("CARD = 'the card of another package'\n")
    (tmp_path / "acme_book-1.0.dist-info").mkdir()
    named = "[replydesk.platforms]\nacme_book = acme_book\n"
    (tmp_path / "acme_book-1.0.dist-info" / "entry_points.txt").write_text(named)
    (tmp_path / "acme_book-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: acme_book\nVersion: 1.0\n"
    )
    monkeypatch.setattr("collectors.PLATFORMS", dict[str, Entry]())
    assert not known("acme_book")
    monkeypatch.syspath_prepend(tmp_path)

    assert known("acme_book")
    assert collectors.PLATFORMS["acme_book"].card == "the card of another package"  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("name", [name for name, entry in PLATFORMS.items() if entry.card.hosts])
def test_a_platforms_own_addresses_are_recognised_as_its(name: str) -> None:
    assert [recognise(f"https://{host}/x") for host in PLATFORMS[name].card.hosts] == [name] * len(
        PLATFORMS[name].card.hosts
    )


def test_site_names_are_unique_and_short() -> None:
    names = [site.name for site in SITES]

    assert len(set(names)) == len(names)
    assert all(name.isascii() and len(name) <= 20 for name in names)


LINKS = [
    ("https://play.google.com/store/apps/details?id=com.example&reviewId=gp%3A1", "google_play"),
    ("https://play.google.com/store/books", None),
    ("https://2gis.kz/almaty/firm/1/tab/reviews", "2gis"),
    ("https://yandex.ru/maps/org/1/reviews/", "yandex_maps"),
    ("https://yandex.kz/maps", "yandex_maps"),
    ("https://yandex.ru/search/?text=maps", None),
    ("https://market.yandex.ru/product/1", "yandex_market"),
    ("https://www.banki.ru/services/responses/1/", "banki_ru"),
    ("https://otzovik.com/review_1.html", "otzovik"),
    ("https://m.vk.com/wall-1_2", "vk"),
    ("https://ok.ru/group/1", "ok"),
    ("https://notok.ru/group/1", None),
    ("https://example.com/2gis.kz", None),
    ("https://2gis.kz.evil.test/", None),
    ("ftp://2gis.kz/", None),
    ("https://[broken", None),
    ("banki.ru", None),
    ("", None),
]


@pytest.mark.parametrize(("url", "name"), LINKS)
def test_a_link_is_recognised_by_host_and_path(url: str, name: str | None) -> None:
    assert recognise(url) == name


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/", True),
        ("http://[::1]:9/", True),
        ("https://example.com", False),
        ("http://127.0.0.1.evil.test/", False),
        ("http://localhost.evil.test/", False),
    ],
)
def test_loopback_is_this_machine_only(url: str, loopback: bool) -> None:
    assert on_loopback(url) is loopback


@pytest.mark.parametrize("url", ["example.com", "https://", "https://user:pass@example.com", "file:///etc/passwd"])
def test_an_api_base_is_a_plain_address(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SourceSettings(api_base=url)
    assert "pass" not in str(caught.value).replace("password", "")


def test_a_closing_slash_does_not_matter() -> None:
    assert SourceSettings(api_base="https://example.com/").api_base == "https://example.com"

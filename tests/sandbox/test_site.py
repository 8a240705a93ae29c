from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.google import GRANT, SCOPE
from sandbox.site import ReviewSite, SiteError

PACKAGE = "kz.acme.coffee"
REVIEWS = f"/play/androidpublisher/v3/applications/{PACKAGE}/reviews"
DAY = 24 * 3600


class Clock:
    def __init__(self) -> None:
        self.at = time.time()

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(clock: Clock) -> ReviewSite:
    site = ReviewSite(now=clock)
    site.add_app(PACKAGE, "Acme Coffee")
    return site


@pytest.fixture
async def anonymous(site: ReviewSite) -> AsyncIterator[httpx.AsyncClient]:
    app = web.Application()
    app.add_routes([*site.routes(), *site.ui_routes()])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with httpx.AsyncClient(base_url=site.origin, timeout=60) as client:
        yield client
    await runner.cleanup()


@pytest.fixture
async def api(anonymous: httpx.AsyncClient, site: ReviewSite) -> httpx.AsyncClient:
    anonymous.headers["Authorization"] = f"Bearer {await new_token(anonymous, site)}"
    return anonymous


def claims(site: ReviewSite, **changed: Any) -> dict[str, Any]:
    account = site.service_account()
    issued = int(site._now())
    body = {"iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"], "iat": issued}
    return {**body, "exp": issued + 3600, **changed}


def assertion(site: ReviewSite, key: str = "", algorithm: str = "RS256", **changed: Any) -> str:
    account = site.service_account()
    headers = {"kid": account["private_key_id"]}
    return jwt.encode(claims(site, **changed), key or account["private_key"], algorithm=algorithm, headers=headers)


async def ask_token(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    return await client.post("/play/token", data=form)


async def new_token(client: httpx.AsyncClient, site: ReviewSite) -> str:
    answer = await ask_token(client, grant_type=GRANT, assertion=assertion(site))
    return str(answer.json()["access_token"])


def at(review: str) -> str:
    return f"{REVIEWS}/{review}"


async def listed(api: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await api.get(REVIEWS, params=params)
    return [review["reviewId"] for review in answer.json().get("reviews", [])]


async def reply(api: httpx.AsyncClient, review: str, text: str) -> httpx.Response:
    return await api.post(f"{at(review)}:reply", json={"replyText": text})


# Token


async def test_a_signed_assertion_buys_a_token_for_an_hour(anonymous: httpx.AsyncClient, site: ReviewSite) -> None:
    answer = await ask_token(anonymous, grant_type=GRANT, assertion=assertion(site))
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 3599


def stranger() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"iss": "somebody@else"}, "invalid_grant"),
        ({"aud": "https://oauth2.googleapis.com/token"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
        ({"iat": 1_000_000_000, "exp": 1_000_003_600}, "invalid_grant"),
        ({"exp": 9_000_000_000}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
    ],
)
async def test_wrong_claims_buy_nothing(
    anonymous: httpx.AsyncClient, site: ReviewSite, wrong: dict[str, Any], error: str
) -> None:
    answer = await ask_token(anonymous, grant_type=GRANT, assertion=assertion(site, **wrong))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_foreign_signatures_and_broken_forms_buy_nothing(anonymous: httpx.AsyncClient, site: ReviewSite) -> None:
    nobody: Any = None
    unsigned = jwt.encode(claims(site), nobody, algorithm="none")
    shared = jwt.encode(claims(site), "a" * 32, algorithm="HS256")
    for bad in (assertion(site, key=stranger()), unsigned, shared, "a.b", "a.b.c", "", "§.§.§"):
        answer = await ask_token(anonymous, grant_type=GRANT, assertion=bad)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), bad
    answer = await ask_token(anonymous, grant_type="password", assertion=assertion(site))
    assert answer.json()["error"] == "unsupported_grant_type"


async def test_without_a_token_nothing_is_told(anonymous: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Лена", 1, "Плохо")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        answer = await anonymous.get(REVIEWS, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert (await reply(anonymous, review, "Здравствуйте!")).status_code == 401
    assert site.review(review).reply is None


async def test_a_token_dies_after_an_hour(api: httpx.AsyncClient, site: ReviewSite, clock: Clock) -> None:
    clock.at += 3599
    assert (await api.get(REVIEWS)).status_code == 200
    clock.at += 2
    assert (await api.get(REVIEWS)).status_code == 401
    api.headers["Authorization"] = f"Bearer {await new_token(api, site)}"
    assert (await api.get(REVIEWS)).status_code == 200
    site.tokens.revoke_all()
    assert (await api.get(REVIEWS)).status_code == 401


def test_the_service_account_is_complete(site: ReviewSite) -> None:
    account = site.service_account()
    assert account["type"] == "service_account"
    assert account["token_uri"] == f"{site.origin}/play/token"
    assert serialization.load_pem_private_key(account["private_key"].encode(), None) is not None
    assert json.loads(json.dumps(account)) == account


# Reading


async def test_a_review_looks_as_on_google_play(api: httpx.AsyncClient, site: ReviewSite, clock: Clock) -> None:
    review = site.leave(PACKAGE, "Жанна Б.", 1, "Вылетает\tПосле обновления не открывается", published=clock.at - 60.5)
    body = (await api.get(REVIEWS)).json()
    assert list(body) == ["reviews"]
    assert body["reviews"] == [(await api.get(at(review))).json()]
    comment = body["reviews"][0]["comments"][0]["userComment"]
    assert body["reviews"][0]["authorName"] == "Жанна Б."
    assert comment["text"] == "Вылетает\tПосле обновления не открывается"
    assert (comment["starRating"], comment["reviewerLanguage"]) == (1, "ru")
    assert comment["lastModified"]["seconds"] == str(int(clock.at - 60.5))
    assert 0 <= comment["lastModified"]["nanos"] < 1_000_000_000
    assert "originalText" not in comment


async def test_an_app_without_fresh_reviews_answers_an_empty_object(
    api: httpx.AsyncClient, site: ReviewSite, clock: Clock
) -> None:
    site.leave(PACKAGE, "Старый", 1, "Давно", published=clock.at - 7 * DAY - 1)
    site.leave(PACKAGE, "Молчун", 1, "   ")
    assert (await api.get(REVIEWS)).json() == {}


async def test_pages_are_newest_first_and_miss_nothing_when_reviews_arrive_between_them(
    api: httpx.AsyncClient, site: ReviewSite, clock: Clock
) -> None:
    ids = [site.leave(PACKAGE, f"А{n}", 2, "Так себе", published=clock.at - n) for n in range(25)]
    first = (await api.get(REVIEWS)).json()
    assert [review["reviewId"] for review in first["reviews"]] == ids[:10]
    site.leave(PACKAGE, "Новая", 1, "Только что")
    token = first["tokenPagination"]["nextPageToken"]
    second = (await api.get(REVIEWS, params={"token": token, "maxResults": 12})).json()
    assert [review["reviewId"] for review in second["reviews"]] == ids[10:22]
    token = second["tokenPagination"]["nextPageToken"]
    third = (await api.get(REVIEWS, params={"token": token})).json()
    assert [review["reviewId"] for review in third["reviews"]] == ids[22:]
    assert "tokenPagination" not in third


async def test_a_page_holds_at_most_a_hundred(api: httpx.AsyncClient, site: ReviewSite) -> None:
    for n in range(103):
        site.leave(PACKAGE, "А", 1, f"Отзыв {n}")
    assert len(await listed(api, maxResults=500)) == 100
    assert len(await listed(api, maxResults=100, startIndex=100)) == 3


@pytest.mark.parametrize("wrong", [{"maxResults": "0"}, {"maxResults": "many"}, {"token": "§"}, {"token": "bnVsbA"}])
async def test_wrong_paging_is_refused(api: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    answer = await api.get(REVIEWS, params=wrong)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_an_edited_review_comes_first_again_and_keeps_its_reply(
    api: httpx.AsyncClient, site: ReviewSite, clock: Clock
) -> None:
    old = site.leave(PACKAGE, "Юлия", 1, "Белый экран", published=clock.at - 3 * DAY)
    new = site.leave(PACKAGE, "Тимур", 2, "Бонусы пропали", published=clock.at - DAY)
    assert await listed(api) == [new, old]
    await reply(api, old, "Исправили")
    site.edit_review(old, 4, "Заработало")
    assert await listed(api) == [old, new]
    comments = (await api.get(at(old))).json()["comments"]
    assert comments[0]["userComment"]["starRating"] == 4
    assert comments[1]["developerComment"]["text"] == "Исправили"


async def test_a_deleted_review_is_not_found(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Арман", 1, "Опять")
    site.delete_review(review)
    assert await listed(api) == []
    for answer in (await api.get(at(review)), await reply(api, review, "Здравствуйте")):
        assert answer.status_code == 404
        assert answer.json()["error"]["errors"][0]["reason"] == "reviewNotFound"
    with pytest.raises(SiteError):
        site.delete_review(review)


async def test_an_encoded_id_is_the_same_id(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Арман", 1, "Опять")
    assert (await api.get(at(quote(review, safe="")))).json()["reviewId"] == review
    answer = await api.post(f"{at(quote(review, safe=''))}:reply", json={"replyText": "Да"})
    assert answer.status_code == 200


async def test_an_asked_translation_is_marked(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Арман", 1, "Медленно")
    answer = await api.get(at(review), params={"translationLanguage": "en"})
    comment = answer.json()["comments"][0]["userComment"]
    assert (comment["text"], comment["originalText"]) == ("[en] Медленно", "Медленно")


async def test_unknown_apps_and_missing_rights_are_told_apart(api: httpx.AsyncClient, site: ReviewSite) -> None:
    answer = await api.get(REVIEWS.replace(PACKAGE, "kz.other"))
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (404, "applicationNotFound")
    review = site.leave(PACKAGE, "Арман", 1, "Опять")
    site.forbid(PACKAGE, "reviews.reply")
    refused = await reply(api, review, "Здравствуйте")
    assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    site.forbid(PACKAGE)
    assert (await reply(api, review, "Здравствуйте")).status_code == 200


# Replying


async def test_a_reply_is_public_and_a_second_one_replaces_it(
    api: httpx.AsyncClient, site: ReviewSite, clock: Clock
) -> None:
    review = site.leave(PACKAGE, "Лена", 1, "Плохо")
    first = await reply(api, review, "Здравствуйте!")
    assert first.json() == {
        "result": {
            "replyText": "Здравствуйте!",
            "lastEdited": {"seconds": str(int(clock.at)), "nanos": first.json()["result"]["lastEdited"]["nanos"]},
        }
    }
    await reply(api, review, "<b>Исправили</b>, обновите &amp; проверьте")
    comments = (await api.get(at(review))).json()["comments"]
    assert [list(comment) for comment in comments] == [["userComment"], ["developerComment"]]
    assert comments[1]["developerComment"]["text"] == "Исправили, обновите &amp; проверьте"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("я" * 351, "replyTextTooLong"), ("", "required"), ("<br>", "required"), (None, "required")],
)
async def test_an_impossible_reply_is_refused_and_changes_nothing(
    api: httpx.AsyncClient, site: ReviewSite, text: str, reason: str
) -> None:
    review = site.leave(PACKAGE, "Лена", 1, "Плохо")
    site.official_reply(review, "Раньше")
    answer = await reply(api, review, text)
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (400, reason)
    kept = site.review(review).reply
    assert kept is not None
    assert kept.text == "Раньше"


async def test_exactly_350_characters_fit(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Лена", 1, "Плохо")
    assert (await reply(api, review, "ё" * 350)).status_code == 200


# Faults and the log


async def test_faults_come_in_order_and_pass(api: httpx.AsyncClient, site: ReviewSite) -> None:
    site.fail("reviews.list", ("status", 503), ("retry_after", 7), ("error", 403, "forbidden"), ("html",))
    assert (await api.get(REVIEWS)).status_code == 503
    limited = await api.get(REVIEWS)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    assert (await api.get(REVIEWS)).json()["error"]["errors"][0]["reason"] == "forbidden"
    assert (await api.get(REVIEWS)).headers["Content-Type"].startswith("text/html")
    site.fail("reviews.list", ("delay", 0.01))
    assert (await api.get(REVIEWS)).json() == {}


async def test_a_cut_connection_hides_whether_the_reply_is_there(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Лена", 1, "Плохо")
    site.fail("reviews.reply", ("drop_before",), ("drop_after",))
    with pytest.raises(httpx.RemoteProtocolError):
        await reply(api, review, "Первая")
    assert site.review(review).reply is None
    with pytest.raises(httpx.RemoteProtocolError):
        await reply(api, review, "Вторая")
    kept = site.review(review).reply
    assert kept is not None
    assert kept.text == "Вторая"
    assert [(call.method, call.ok) for call in site.calls[-2:]] == [("reviews.reply", False), ("reviews.reply", True)]


def test_an_unknown_fault_is_refused_at_once(site: ReviewSite) -> None:
    with pytest.raises(ValueError, match="no such fault"):
        site.fail("reviews.list", ("explode",))
    with pytest.raises(ValueError, match="no such method"):
        site.fail("reviews.shout", ("html",))


async def test_the_log_keeps_what_was_asked(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, "Лена", 1, "Плохо")
    await reply(api, review, "я" * 400)
    call = site.calls[-1]
    assert (call.method, call.ok, call.error) == ("reviews.reply", False, "replyTextTooLong")
    assert call.params == {"replyText": "я" * 400, "package": PACKAGE, "review": review}


# People and pages


async def test_the_public_page_escapes_what_strangers_wrote(api: httpx.AsyncClient, site: ReviewSite) -> None:
    review = site.leave(PACKAGE, '"><script>alert(1)</script>', 1, "<img src=x onerror=alert(1)> 2 < 1 & 3")
    site.official_reply(review, "<i>Здравствуйте</i>")
    page = await api.get(f"/site/{PACKAGE}")
    assert page.status_code == 200
    assert f'id="{review}"' in page.text
    assert "<script" not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt; 2 &lt; 1 &amp; 3" in page.text
    assert "&lt;i&gt;Здравствуйте&lt;/i&gt;" in page.text
    assert (await api.get("/site/kz.other")).status_code == 404


async def test_a_stranger_leaves_a_review_on_the_public_page(api: httpx.AsyncClient, site: ReviewSite) -> None:
    form = {"author": "Гость", "stars": "2", "text": "Так себе"}
    answer = await api.post(f"/site/{PACKAGE}", data=form)
    assert answer.status_code == 303
    (review,) = site.snapshot()["apps"][0]["reviews"]
    assert (review["author"], review["stars"], review["text"]) == ("Гость", 2, "Так себе")
    assert answer.headers["Location"] == f"/site/{PACKAGE}#{quote(review['id'], safe=':')}"
    assert site.link(review["id"]).endswith(answer.headers["Location"])
    assert (await api.post(f"/site/{PACKAGE}", data={"stars": "9"})).status_code == 400


async def test_the_page_does_what_people_do(api: httpx.AsyncClient, site: ReviewSite) -> None:
    async def do(action: str, **body: Any) -> httpx.Response:
        return await api.post(f"/ui/site/{action}", json=body)

    review = (await do("leave", package=PACKAGE, author="Асель", stars=1, text="Промокод", lang="ru")).json()["result"]
    await do("edit_review", review_id=review, stars=2, text="Промокод не работает")
    await do("official_reply", review_id=review, text="Проверили")
    (view,) = site.snapshot()["apps"][0]["reviews"]
    assert view["edited"]
    assert (view["stars"], view["text"], view["reply"]["text"]) == (2, "Промокод не работает", "Проверили")
    await do("delete_review", review_id=review)
    assert site.snapshot()["apps"][0]["reviews"] == []


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("leave", {"package": PACKAGE, "author": "А", "stars": 6, "text": "x"}),
        ("leave", {"package": "kz.other", "author": "А", "stars": 1, "text": "x"}),
        ("leave", {"nonsense": 1}),
        ("delete_review", {"review_id": "none"}),
    ],
)
async def test_an_impossible_wish_is_explained(api: httpx.AsyncClient, action: str, body: dict[str, Any]) -> None:
    answer = await api.post(f"/ui/site/{action}", json=body)
    assert answer.status_code == 400
    assert answer.json()["ok"] is False
    assert answer.json()["error"]

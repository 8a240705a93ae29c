"""VK: comments and posts on a community's wall, public posts by a query; answered as the community."""

from __future__ import annotations

import hashlib
import html
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, SecretStr, field_validator

from collectors.hooks import BadSignature, Call, Heed, said, same
from collectors.http import Now, in_time, writing_begins_by
from collectors.links import NUMBER, link_to, only
from collectors.pages import Cursor as Newest
from collectors.pages import Item as Dated
from collectors.pages import Page, joined, newest_first
from collectors.settings import SourceSettings
from collectors.text import fold, fold_typography, scrubbed, tidy
from collectors.vk.calls import TITLE, Methods, Params, Said, Token
from collectors.vk.listening import Listener
from collectors.vk.reading import Cursor, Reader
from collectors.vk.shapes import Found, Item, Spot, profile, spoken
from desk.errors import Gone, NeedsLogin, Refused, Retry
from desk.mention import Author, Kind, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

SEARCH_OVERLAP = timedelta(hours=6)
"""Posts come into VK's search late."""

CARD = PlatformCard(
    name="vk",
    title=TITLE,
    can_reply=True,
    can_delete=True,
    can_look=True,
    longest=4096,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=60,
    grace=timedelta(minutes=3),
    hosts=("vk.com", "vk.ru"),
    calls="Callback API or Long Poll",
    notes=(
        "Comments are read under the community's 100 newest posts; discussions, goods, photos and videos are not.",
        "Edits are seen for a day under posts of the last two days; a comment deleted without a trace when looked at.",
        "Under older posts a comment may be missed where another was deleted between the same two polls.",
        "Replies are not edited by program; a correction stands beside the first reply.",
        "Deleting a reply needs the token of a user who manages the community; VK ends such tokens after about an "
        "hour, and the desk does not renew them.",
        "VK names no longest comment; 4096 characters are the desk's own limit.",
        "Whether VK keeps a repeated reply from standing twice is not certain: the desk reads before it repeats.",
        "VK may show a comment some time after it took it.",
        "Under posts on other walls VK may not let a community write; the search shows public posts only.",
        "Similar replies in quick succession end in a captcha; VK then waits for a person.",
    ),
)


class Settings(SourceSettings):
    group_id: int = Field(gt=0, title="Community", description="The community's number, without a minus")
    community_token: SecretStr = Field(
        title="Community token",
        description="From the community's settings, API section, with the right to the wall: it replies",
    )
    service_token: SecretStr = Field(
        title="Service token", description="Of an app of yours at VK: it reads, which the community's token may not"
    )
    user_token: SecretStr | None = Field(
        None, title="User token", description="Of a user who manages the community; needed to delete replies"
    )
    push_secret: SecretStr | None = Field(
        None, min_length=1, title="Secret of its calls", description="The secret key of the Callback API's server"
    )
    confirmation: str | None = Field(
        None,
        pattern=r"^[0-9A-Za-z]{1,64}$",
        title="Confirmation",
        description="What the server of the Callback API has to answer, as its settings show it",
    )
    long_poll: bool = Field(
        False,
        title="Long Poll",
        description="true: wait for its events, where nobody can call the desk; allowed in the community's settings",
    )
    query: str | None = Field(
        None, min_length=2, title="Search", description="Words to look for in public posts; no search if absent"
    )

    @field_validator("community_token", "service_token", "user_token")
    @classmethod
    def _is_a_token(cls, value: SecretStr | None) -> SecretStr | None:
        token = "x" if value is None else value.get_secret_value()
        if not (token and token.isascii() and token.isprintable() and " " not in token):
            raise ValueError("must be a token: letters, digits and signs without spaces")
        return value


class Made(BaseModel):
    id: int = Field(alias="comment_id", ge=1)
    parents: list[int] = Field([], alias="parents_stack")


def item(settings: Settings, url: str) -> str | None:
    """A post's or a comment's; on other walls than the community's only where posts are searched for."""
    link = link_to(CARD.hosts, url)
    post = only(rf"/?wall(-?{NUMBER}_{NUMBER})", link.value("w") or link.path) or ""
    reply, thread = link.value("reply"), link.value("thread")
    parts = [post, thread, reply] if reply and thread != reply else [post, reply]
    known = settings.query or post.startswith(f"-{settings.group_id}_")
    return only(rf"(-?{NUMBER}(?:_{NUMBER}){{1,3}})", "_".join(filter(None, parts))) if known else None


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> VK:
    return VK(settings, brand, source, http, now)


def knock(settings: Settings, call: Call) -> Heed:
    """An event of the Callback API, or its server's confirmation: `ok` is what VK waits for, else it comes again."""
    event = said(call)
    if event.get("group_id") != settings.group_id:
        raise BadSignature("another community's event")
    if event.get("type") == "confirmation":
        return Heed(settings.confirmation or "", read=False)
    if settings.push_secret is None or not same(str(event.get("secret", "")), settings.push_secret.get_secret_value()):
        raise BadSignature("the event lacks the source's push_secret")
    return Heed("ok")


class VK:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = str(settings.group_id)
        self._us = -settings.group_id
        self._query = settings.query
        self._brand = brand
        self._source = source
        self._now = now
        self._methods = Methods(http, settings.api_base, now)
        self._community = Token("community_token", settings.community_token)
        self.listens = settings.long_poll
        self._listener = Listener(http, self._methods, settings.group_id, self._community, now)
        self._user = Token("user_token", settings.user_token) if settings.user_token else None
        self._reader = Reader(self._methods, settings.group_id, Token("service_token", settings.service_token), now)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.of(cursor, since)
        walked = await self._reader.walk(state)
        searched = await self._searched(state)
        mentions = [self._mention(found) for found in walked.found if found.item.author != self._us]
        after = walked.cursor.model_copy(update={"search": searched.cursor})
        note = joined([walked.note, searched.note])
        return Batch(mentions + searched.mentions, after.model_dump_json(exclude_defaults=True), note)

    async def look(self, mention: Mention) -> Look:
        try:
            spot = Spot.of(mention.key.external_id)
            found = await self._reader.find(spot)
            answers = await self._reader.answers(spot, self._us)
        except Gone:
            return Look(None)
        return Look(self._mention(found), tuple(self._official(spot, item) for item in answers))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        spot = Spot.of(mention.key.external_id)
        await in_time(writing_begins_by(), self._reader.find(spot), TITLE)
        said: Params = {
            "owner_id": spot.owner,
            "post_id": spot.post,
            "from_group": -self._us,
            "message": text,
            "guid": hashlib.sha256(f"{self.account}:{key}".encode()).hexdigest()[:32],
            **({"reply_to_comment": spot.comment} if spot.comment else {}),
        }
        made = await self._methods.write(Said[Made], "wall.createComment", self._community, said)
        root = made.parents[0] if made.parents else spot.thread
        return Posted(str(made.id), self._now(), spot._replace(root=root, comment=made.id).url)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        if self._user is None:
            raise Refused("VK has no way to edit a reply without a user_token in the settings")
        spot = Spot.of(mention.key.external_id)
        said: Params = {"owner_id": spot.owner, "comment_id": reply_id, "message": text}
        await self._methods.write(Said[int], "wall.editComment", self._user, said)
        return Posted(reply_id, self._now(), self._answer_url(spot, reply_id))

    async def delete(self, mention: Mention, reply_id: str) -> None:
        named: Params = {"owner_id": Spot.of(mention.key.external_id).owner, "comment_id": reply_id}
        try:
            await self._methods.write(Said[int], "wall.deleteComment", self._user or self._community, named)
        except Gone:
            return
        except (NeedsLogin, Refused) as error:
            if self._user is not None:
                raise
            # VK's papers give this method to users; that it is closed to the community's token says nothing of it.
            raise Refused(f"{error.reason}: set user_token, or delete the reply on vk.com") from error

    def same(self, ours: str, theirs: str) -> bool:
        return _comparable(ours) == _comparable(theirs)

    async def wait(self) -> bool:
        return await self._listener.wait()

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _searched(self, state: Cursor) -> Batch:
        """What the search brings; one that is refused, or was asked too often, does not hide the wall."""
        if not self._query:
            return Batch([], "")
        try:
            return await self._search(self._query, state)
        except (Refused, Retry) as error:
            if isinstance(error, Retry) and not error.rate_limited:
                raise
            # The wall's floor goes on without it: a search that never was begins where it should have.
            return Batch([], state.search or Newest.of(None, state.floor).stored(), error.reason)

    async def _search(self, query: str, state: Cursor) -> Batch:
        cursor = state.search or None
        floor = Newest.of(cursor, state.floor).floor(SEARCH_OVERLAP)

        async def read(page: str) -> Page:
            return await self._search_page(query, floor, int(page) if page else None)

        return await newest_first(read, cursor, state.floor, now=self._now, overlap=SEARCH_OVERLAP)

    async def _search_page(self, query: str, floor: datetime, end: int | None) -> Page:
        """The next page is a window that ends where this one did: by pages VK shows a thousand posts at most."""
        listing, found, note = await self._reader.search(query, floor, end)
        items = [Dated(one.item.at, self._mention(one) if self._is_elsewhere(one) else None) for one in found]
        oldest = min((one.item.seconds for one in found), default=0)
        # Whether a window's end is within it is not written: a second is read twice, unless that leads nowhere.
        following = oldest + 1 if end is None else min(oldest + 1, end - 1)
        return Page(items, str(following) if listing.next and found else "", note)

    def _is_elsewhere(self, found: Found) -> bool:
        """The community's own wall is read whole, and what it wrote itself is no mention."""
        return self._us not in (found.spot.owner, found.item.author)

    def _official(self, spot: Spot, item: Item) -> OfficialReply:
        return OfficialReply(str(item.id), item.words, item.at, self._answer_url(spot, str(item.id)))

    def _answer_url(self, spot: Spot, number: str) -> str:
        return spot._replace(root=spot.thread, comment=int(number)).url

    def _mention(self, found: Found) -> Mention:
        spot, item, people = found
        key = MentionKey(self._brand, CARD.name, self.account, spot.external_id)
        kind: Kind = "comment" if spot.comment else "post"
        if item.deleted:
            return Mention(key=key, source=self._source, kind=kind, text="", deleted=True)
        above = spot.above
        return Mention(
            key=key,
            source=self._source,
            kind=kind,
            text=item.words,
            url=spot.url,
            author=_author(item.author, people.get(item.author, "")),
            published_at=item.at,
            place=tidy(people.get(spot.owner, "")),
            item=f"{spot.owner}_{spot.post}",
            reach=item.views.count if item.views else None,
            media=item.media,
            parent_id=above.external_id if above else "",
            parent_url=above.url if above else "",
            raw=scrubbed(item.model_dump(mode="json", by_alias=True, exclude={"attachments", "thread"})),
        )


def _author(number: int, name: str) -> Author:
    kind = "community" if number < 0 else "user"
    return Author(id=str(number or ""), name=tidy(name), url=profile(number), kind=kind if number else "")


def _comparable(text: str) -> str:
    """Without what VK may set otherwise, dashes and quotes: a lost reply that is not known again is sent twice."""
    return fold(fold_typography(html.unescape(spoken(text))))

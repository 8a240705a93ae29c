"""Networks and their searches: Hacker News (Algolia's search), Mastodon, Reddit, Telegram, X."""

from __future__ import annotations

from typing import Any

from tests.contracts.specs_own.rules import (
    BEARER,
    MOMENT,
    YES_OR_NO,
    fields,
    form_of,
    needed,
    number,
    several,
    text,
    word,
    words,
)

HACKER_NEWS = {
    "host": "https://hn.algolia.com",
    "calls": [
        {
            "ask": "GET /api/v1/search_by_date",
            "query": {
                "query": needed(text()),
                "tags": form_of(r"[\w,]+|\([\w,]+\)"),
                "numericFilters": form_of(r"(created_at_i|points|num_comments)(<|<=|=|>=|>)\d+(,\w+(<|<=|=|>=|>)\d+)*"),
                "page": number(0),
                "hitsPerPage": number(1, 1000),
                "advancedSyntax": YES_OR_NO,
            },
        }
    ],
}

NUMBERED = form_of(r"\d{1,20}")
KINDS = several(word("mention", "status", "reblog", "follow", "follow_request", "favourite", "poll", "update", "quote"))
STATUS = {
    "status": needed(text(maxGraphemes=500)),
    "spoiler_text": text(),
    "sensitive": YES_OR_NO,
    "language": form_of("[a-z]{2,3}"),
}
MASTODON = {
    "host": "https://{host}",
    "headers": BEARER,
    "calls": [
        {"ask": "GET /api/v1/accounts/verify_credentials"},
        {
            "ask": "GET /api/v1/notifications",
            "query": {
                "types[]": KINDS,
                "exclude_types[]": KINDS,
                "limit": number(1, 80),
                "include_filtered": YES_OR_NO,
                "account_id": NUMBERED,
                "max_id": NUMBERED,
                "min_id": NUMBERED,
                "since_id": NUMBERED,
            },
        },
        {"ask": "GET /api/v1/statuses/{id}", "path": {"id": NUMBERED}},
        {"ask": "GET /api/v1/statuses/{id}/context", "path": {"id": NUMBERED}},
        {
            "ask": "POST /api/v1/statuses",
            "headers": {"Idempotency-Key": text()},
            "body": {
                **STATUS,
                "in_reply_to_id": NUMBERED,
                "visibility": word("public", "unlisted", "private", "direct"),
                "scheduled_at": MOMENT,
            },
        },
        {"ask": "PUT /api/v1/statuses/{id}", "path": {"id": NUMBERED}, "body": STATUS},
        {
            "ask": "DELETE /api/v1/statuses/{id}",
            "path": {"id": NUMBERED},
            "query": {"delete_media": YES_OR_NO},
        },
    ],
}

REDDITS_SEARCH = {
    "q": needed(text(longest=512)),
    "sort": word("relevance", "hot", "top", "new", "comments"),
    "t": word("hour", "day", "week", "month", "year", "all"),
    "limit": number(1, 100),
    "after": text(),
    "before": text(),
    "raw_json": number(1, 1),
    "restrict_sr": YES_OR_NO,
}
# Reddit turns away clients that do not say who they are.
REDDITS_HEADERS = {**BEARER, "User-Agent": needed(form_of(r"(?!python-httpx).*\S.*"))}
REDDIT = {
    "host": "https://oauth.reddit.com",
    "headers": REDDITS_HEADERS,
    "calls": [
        {"ask": "GET /search", "query": REDDITS_SEARCH},
        {"ask": "GET /r/{subreddit}/search", "path": {"subreddit": form_of(r"\w+")}, "query": REDDITS_SEARCH},
    ],
}

CHAT = {"chat_id": needed(number())}
MESSAGE = {"message_id": needed(number(1))}
WORDS = {
    "text": needed(text(longest=4096)),
    "parse_mode": word("HTML", "MarkdownV2", "Markdown"),
    "link_preview_options": fields(is_disabled=YES_OR_NO),
}
ANSWERED = fields(chat_id=number(), allow_sending_without_reply=YES_OR_NO, **MESSAGE)
TOKEN = {"token": form_of(r"\d+:[\w-]+")}
UPDATES = several(word("message", "edited_message", "channel_post", "edited_channel_post", "my_chat_member"))


def telegrams(method: str, **body: Any) -> dict[str, Any]:
    return {"ask": f"POST /bot{{token}}/{method}", "path": TOKEN, "body": body}


TELEGRAM = {
    "host": "https://api.telegram.org",
    "calls": [
        telegrams("getUpdates", offset=number(), limit=number(1, 100), timeout=number(0), allowed_updates=UPDATES),
        telegrams("sendMessage", **CHAT, **WORDS, reply_parameters=ANSWERED, message_thread_id=number(1)),
        telegrams("editMessageText", **CHAT, **MESSAGE, **WORDS),
        telegrams("deleteMessage", **CHAT, **MESSAGE),
    ],
}

POSTS_NUMBER = form_of(r"\d{1,19}")
POSTS_FIELDS = words(
    "author_id",
    "conversation_id",
    "created_at",
    "edit_history_tweet_ids",
    "entities",
    "id",
    "in_reply_to_user_id",
    "lang",
    "note_tweet",
    "public_metrics",
    "referenced_tweets",
    "text",
)
PEOPLES_FIELDS = words("created_at", "id", "name", "public_metrics", "username", "verified", "verified_type")
X = {
    "host": "https://api.x.com",
    "headers": BEARER,
    "calls": [
        {
            "ask": "GET /2/tweets/search/recent",
            "query": {
                "query": needed(text(longest=512)),
                "max_results": number(10, 100),
                "next_token": text(),
                "start_time": MOMENT,
                "end_time": MOMENT,
                "since_id": POSTS_NUMBER,
                "until_id": POSTS_NUMBER,
                "sort_order": word("recency", "relevancy"),
                "tweet.fields": POSTS_FIELDS,
                "user.fields": PEOPLES_FIELDS,
                "expansions": words("author_id", "in_reply_to_user_id", "referenced_tweets.id"),
            },
        }
    ],
}

TABLES = {"hacker_news": HACKER_NEWS, "mastodon": MASTODON, "reddit": REDDIT, "telegram": TELEGRAM, "x": X}

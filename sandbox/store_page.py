"""The public page of an app: its reviews, the official replies and a form. Everything foreign is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Protocol


class Reply(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def at(self) -> float: ...


class Shown(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def stars(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def at(self) -> float: ...
    @property
    def edited(self) -> bool: ...
    @property
    def reply(self) -> Reply | None: ...


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: reviews</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page/store.css">
</head>
<body>
<header>
<div class="badge" aria-hidden="true">{initial}</div>
<div><h1>{title}</h1><p>{package} · {summary}</p></div>
</header>
<main>
<form method="post" class="leave">
<h2>Rate this app</h2>
<div class="row"><input name="author" placeholder="Your name" maxlength="60" required data-testid="store-author">
<select name="stars" aria-label="Stars" data-testid="store-stars">{options}</select></div>
<textarea name="text" rows="3" maxlength="4000" placeholder="What do you think?" data-testid="store-text"></textarea>
<button data-testid="store-submit">Post review</button>
</form>
{reviews}
</main>
</body>
</html>
"""


def render(title: str, package: str, reviews: Sequence[Shown]) -> str:
    """A whole HTML document; each review has its id as the anchor."""
    options = "".join(f'<option value="{n}">{_stars(n)}</option>' for n in (5, 4, 3, 2, 1))
    return PAGE.format(
        title=escape(title),
        initial=escape(title[:1]),
        package=escape(package),
        summary=_summary(reviews),
        options=options,
        reviews="\n".join(_review(review) for review in reviews) or '<p class="empty">No reviews yet.</p>',
    )


def _summary(reviews: Sequence[Shown]) -> str:
    if not reviews:
        return "no reviews"
    mean = sum(review.stars for review in reviews) / len(reviews)
    return f"{mean:.1f} ★ · {len(reviews)} {'review' if len(reviews) == 1 else 'reviews'}"


def _review(review: Shown) -> str:
    edited = " · edited" if review.edited else ""
    reply = (
        f'<div class="reply"><b>Developer</b> {_when(review.reply.at)}<p>{escape(review.reply.text)}</p></div>'
        if review.reply
        else ""
    )
    return (
        f'<article id="{escape(review.id)}"><h3>{escape(review.author)}</h3>'
        f'<p class="meta"><span class="stars" aria-label="{review.stars} of 5">{_stars(review.stars)}</span>'
        f" {_when(review.at)}{edited}</p>{_text(review.text)}{reply}</article>"
    )


def _text(text: str) -> str:
    """Google Play joins title and body by a tab."""
    title, tab, body = text.partition("\t")
    if not tab:
        return f"<p>{escape(text)}</p>"
    return f"<p><b>{escape(title)}</b></p><p>{escape(body)}</p>"


def _stars(count: int) -> str:
    return "★" * count + "☆" * (5 - count)


def _when(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%d %b %Y, %H:%M} UTC</time>'

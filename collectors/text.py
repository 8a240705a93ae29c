"""Texts as platforms give them: markup to plain text, and the foldings `same()` is made of."""

from __future__ import annotations

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

BREAKS = {
    "br": "\n",
    "li": "\n",
    "tr": "\n",
    **dict.fromkeys(("p", "div", "blockquote", "pre", "h1", "h2", "h3", "h4", "ul", "ol"), "\n\n"),
}
UNSEEN = "script, style, template, noscript, head"

TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′‹›", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "…": "...",
        "×": "x",
    }
)


def tidy(text: str) -> str:
    """`text` without what no database takes (NUL, lone surrogates) and without white space around it."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def scrubbed(value: Any) -> Any:
    """A decoded JSON value with every string tidied: databases refuse in JSON what they refuse in text."""
    if isinstance(value, str):
        return tidy(value)
    if isinstance(value, list):
        return [scrubbed(one) for one in value]
    if isinstance(value, dict):
        return {tidy(str(name)): scrubbed(one) for name, one in value.items()}
    return value


def plain(markup: str) -> str:
    """The words of an HTML fragment; paragraphs stay apart, pictures (often emoji) give their `alt`."""
    tree = LexborHTMLParser(markup)
    for node in tree.css(UNSEEN):
        node.decompose()
    if tree.body is None:
        return ""
    shown = "".join(_shown(node) for node in tree.body.traverse(include_text=True))
    lines = "\n".join(line.strip() for line in shown.split("\n"))
    return tidy(re.sub(r"\n{3,}", "\n\n", lines))


def _shown(node: LexborNode) -> str:
    if node.tag == "-text":
        return re.sub(r"\s+", " ", node.text_content or "")
    if node.tag == "img":
        return node.attributes.get("alt") or ""
    return BREAKS.get(node.tag or "", "")


def fold(text: str) -> str:
    """One space for any white space, none at the ends."""
    return " ".join(text.split())


def fold_typography(text: str) -> str:
    """Quotes, dashes, dots as a typewriter has them; runs of dashes are one: sites set `--` as a dash."""
    return re.sub(r"-{2,}", "-", text.translate(TYPOGRAPHY))

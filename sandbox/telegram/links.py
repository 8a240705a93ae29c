"""Which addresses Telegram takes in buttons and links, and how it writes them back."""

import ipaddress
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

KEPT = "%/:=&?~#+!$,;'@()*[]"


def checked(url: str) -> str:
    """The address as the server would return it.

    Raises ValueError with the server's own words ("Wrong HTTP URL" and the like).
    """
    if url.lower().startswith("tg://"):
        return url
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("Unsupported URL protocol")
    if not _is_public(parts.hostname or ""):
        raise ValueError("Wrong HTTP URL")
    path, query = quote(parts.path or "/", safe=KEPT), quote(parts.query, safe=KEPT)
    return urlunsplit((parts.scheme, parts.netloc.lower(), path, query, quote(parts.fragment, safe=KEPT)))


def _split(url: str) -> SplitResult:
    if not url or any(sign.isspace() or sign in '<>"' for sign in url):
        raise ValueError("Wrong HTTP URL")
    try:
        return urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        raise ValueError("Wrong HTTP URL") from None


def _is_public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not host.endswith(".localhost")
    return not address.is_loopback and not address.is_unspecified

"""The same parsers under a fuzzer that follows the code's branches: `python -m tests.fuzz.atheris_parsers [seconds]`.

Atheris is no dependency: it has no wheels for newer Pythons. Where it is absent this says so, and hypothesis remains:
`pytest tests/fuzz --hypothesis-profile=fuzz`.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def one(data: bytes) -> str:
    """One input to all that reads text or JSON from outside; returns it as people are shown it.

    Raises what it should not.
    """
    from handlers.slack import modals, values
    from handlers.telegram import callback
    from handlers.telegram.commands import parse
    from handlers.words import visible
    from tests.fuzz.test_parsers import READING, received

    text = data.decode("utf-8", "replace")
    callback.unpack(text)
    values.decode(text)
    values.plain(text, READING)
    modals.decode(text)
    parse(text, "replydesk_bot")
    received(text.encode())
    shape: Any = _json(text)
    if isinstance(shape, dict):
        values.message_text(shape, READING)
    modals.answers_of(shape, READING)
    return visible(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def main() -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is not installed; it has wheels for some Pythons on Linux only", file=sys.stderr)
        return 2
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}"], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())

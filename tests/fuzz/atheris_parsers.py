"""The same parsers under a fuzzer that follows the code's branches: `python -m tests.fuzz.atheris_parsers [seconds]`.

Atheris is no dependency: it has no wheels for newer Pythons. Where it is absent this says so, and hypothesis remains:
`pytest tests/fuzz --hypothesis-profile=fuzz`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS = ["collectors", "desk", "handlers", "storage"]
"""What is followed: what is imported under the fuzzer's eyes."""
PLATFORM = 0x01
"""From this first byte on each stands for a platform, whose answer follows."""


def one(data: bytes) -> str:
    """One input to all that reads text or JSON from outside; returns it as people are shown it.

    Raises what it should not.
    """
    from handlers.slack import modals, values
    from handlers.telegram import callback
    from handlers.telegram.commands import parse
    from handlers.words import visible
    from tests.fuzz.test_parsers import POLLED, READING, check_answer, check_update, received

    if data and PLATFORM <= data[0] < PLATFORM + len(POLLED):
        check_answer(POLLED[data[0] - PLATFORM], data[1:])
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
        check_update(shape)
    modals.answers_of(shape, READING)
    return visible(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def seeds() -> Iterator[bytes]:
    """What is sound, to be spoilt: updates, a message, a modal's answers and memory, a push, platforms' answers."""
    from tests.fuzz.test_parsers import META, POLLED, PUSH, SAID, UPDATES, VALUES, answers_of

    for sample in (*UPDATES, SAID, VALUES, META, PUSH):
        yield json.dumps(sample).encode()
    for number, name in enumerate(POLLED):
        for body, _ in answers_of(name):
            yield bytes([PLATFORM + number]) + body


def main() -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is not installed; it has wheels for some Pythons on Linux only", file=sys.stderr)
        return 2
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    with atheris.instrument_imports(include=OURS):
        one(b"{}")
    with tempfile.TemporaryDirectory(prefix="replydesk-fuzz-") as folder:
        for number, seed in enumerate(seeds()):
            one(seed)
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=16384", folder], one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())

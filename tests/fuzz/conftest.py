"""`pytest tests/fuzz --hypothesis-profile=fuzz` goes on for minutes; what `make test` runs takes seconds."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fuzz", max_examples=5_000, derandomize=False)

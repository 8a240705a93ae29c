"""docs/faults.md has a line for each fault at each edge, and names the tests that show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.security import test_papers as papers

PAPER = (papers.ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAPER)))
FAULTS = [
    "refused connection", "reset after effect", "slow drip", "time-out", "401", "403", "429 with Retry-After",
    "429 without Retry-After", "500", "HTML instead of JSON", "cut JSON", "wrong types", "clock 10 minutes off",
    "DST change", "disk full", "read-only file", "database locked", "out-of-order events", "repeated events",
    "supergroup migration", "kicked bot", "archived channel", "revoked token",
]  # fmt: skip
EDGES = {
    part.partition("\n")[0]: [line for line in part.splitlines() if line.startswith("| ") and "shown by" not in line]
    for part in PAPER.split("\n## ")[1:]
    if "| shown by |" in part
}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_that_is_named_exists(file: str, name: str) -> None:
    text = (papers.ROOT / file).read_text(encoding="utf-8")
    wanted = name or "test_[a-z_0-9]+"
    assert re.search(rf"^(async )?def {wanted}[(]", text, re.MULTILINE), f"{file} has no {wanted}"


@pytest.mark.parametrize("edge", EDGES)
def test_each_fault_has_its_line(edge: str) -> None:
    assert [row.split(" | ")[0].removeprefix("| ") for row in EDGES[edge]] == FAULTS


@pytest.mark.parametrize("edge", EDGES)
def test_each_line_names_its_tests_or_says_why_there_are_none(edge: str) -> None:
    reasons = r"`tests/\w+/|\| (?:Does not apply: |See the database \|)"
    assert not [row for row in EDGES[edge] if not re.search(reasons, row)]


def test_every_file_of_these_tests_is_named() -> None:
    files = {f"tests/faults/{file.name}" for file in Path(__file__).parent.glob("test_*.py")}
    assert files <= {file for file, _ in NAMED} | {"tests/faults/test_papers.py"}

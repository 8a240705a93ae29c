"""docs/security.md names the test of each line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAPER)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_that_is_named_exists(file: str, name: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not name or re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), f"{file} has no {name}"


def test_each_line_of_a_table_of_attacks_names_its_tests() -> None:
    attacks = PAPER.partition("## Who, how")[2].partition("## What is not stopped")[0]
    rows = [line for line in attacks.splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 20
    assert not [row for row in rows if not re.search(r"`tests/\w+/", row)]


def test_every_file_of_these_tests_is_named() -> None:
    files = {f"tests/security/{file.name}" for file in Path(__file__).parent.glob("test_*.py")}
    assert files <= {file for file, _ in NAMED} | {"tests/security/test_papers.py"}

"""Twenty seconds of it: desks die, freeze and lose their database, and the outside world sees each thing once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.__main__ import STORES, TEETH, is_bad

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.timeout(300), pytest.mark.xdist_group("chaos")]

ROOT = Path(__file__).parents[2]
SMALL = ["--cases", "8", "--seconds", "9", "--spread", "4", "--target", "3", "--limit", "6"]


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], dict[str, Any]]:
    """All runs of one seed, in a process of its own: both stores side by side, and each tooth."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.chaos", "--json", *SMALL]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr
    sys.stderr.write(ended.stderr)  # which seed, where the logs are, what was wrong: shown with a failure
    return {(row["store"], row["without"]): row for row in json.loads(ended.stdout)}


@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost_doubled_out_of_order_or_stuck(store: str, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows[store, ""]
    assert not is_bad(row), row
    assert row["chaos"], "nothing befell the desks"


@pytest.mark.parametrize("part", TEETH)
def test_it_is_seen_when_a_part_is_left_out(part: str, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows[TEETH[part].store, part]
    assert row[TEETH[part].sort], row

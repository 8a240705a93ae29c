from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.config.models import Brand, Client, Config
from bot.reports import docs
from collectors import PLATFORMS
from desk.case import State
from desk.view import BUTTONS


def test_the_pages_in_the_repository_are_as_the_code_says() -> None:
    assert docs.stale() == [], "write them with: python -m bot.reports.docs"


def test_a_page_that_was_changed_or_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    (tmp_path / "platforms.md").write_text("by hand", encoding="utf-8")
    (tmp_path / "states.md").unlink()

    assert docs.main(["--check"], tmp_path) == 1
    assert "stale: platforms.md, states.md" in capsys.readouterr().err
    assert (tmp_path / "platforms.md").read_text(encoding="utf-8") == "by hand"


def test_anything_else_is_a_fault_of_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--wrong"], tmp_path) == 2
    assert "usage" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# configuration.md


def rows(page: str, head: str) -> dict[str, list[str]]:
    """Cells by key of the table under a heading."""
    part = page.split(f"{head}\n", 1)[1].split("\n#", 1)[0]
    cells = [re.split(r"(?<!\\)\|", row)[1:-1] for row in part.splitlines() if row.startswith("| `")]
    return {line[0].strip(" `"): [cell.strip() for cell in line[1:]] for line in cells}


def test_every_key_of_the_file_has_a_row() -> None:
    page = docs.configuration()

    for table in docs.tables(docs.Table("", Config, False)):
        if table.model in (Client, Brand):
            plain = {name for name, hint in docs.hints(table.model).items() if docs._model_in(hint) is None}
            assert set(rows(page, f"## {table.head}")) == plain
    assert {"name", "secret_key", "listen"} <= set(rows(page, "## `[desk]`"))
    assert "settings" not in rows(page, "## `[[clients.brands.sources]]`")


@pytest.mark.parametrize(
    ("table", "key", "kind", "default"),
    [
        ("[desk]", "secret_key", "secret", "**required**"),
        ("[desk]", "language", "`en`, `ru`, `kk`", '`"en"`'),
        ("[desk]", "posting", "true or false", "`true`"),
        ("[desk]", "leads_room", "room", ""),
        ("[database]", "url", "address, or secret", '`"sqlite+aiosqlite:///replydesk.db"`'),
        ("[ai]", "budget_per_day", "whole number", "`200000`"),
        ("[[people]]", "clients", "list: text", "**required**"),
        ("[[clients]]", "digest_at", "time of day", '`"09:00"`'),
        ("[clients.sla]", "target", "duration", '`"90m"`'),
        ("[clients.sla]", "warn_at", "list: whole number", "`[50, 75, 90]`"),
        ("[[clients.brands]]", "facts", "file", ""),
    ],
)
def test_types_and_defaults_are_in_the_words_of_the_file(table: str, key: str, kind: str, default: str) -> None:
    row = rows(docs.configuration(), f"## `{table}`")[key]

    assert row[:2] == [kind, default]
    assert row[2]


def test_a_table_that_may_be_given_twice_is_described_once() -> None:
    page = docs.configuration()

    assert "The keys of `[clients.sla]`: keys given here win over the client's." in page
    assert rows(page, "## `[clients.brands.sla]`") == {}


def test_what_is_not_built_yet_is_not_shown() -> None:
    page = docs.configuration()

    assert "holidays" not in rows(page, "## `[clients.sla]`")
    assert "[mail]" not in page
    assert "keywords" not in rows(page, "## `[[clients.brands]]`")


def test_nothing_is_taken_for_html() -> None:
    text = re.sub(r"`[^`]*`|```.*?```|<!--.*?-->", "", docs.configuration(), flags=re.DOTALL)

    assert "<" not in text


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_each_platform_has_its_settings_and_its_row(name: str) -> None:
    settings = rows(docs.configuration(), f"### `{name}`")
    own = set(PLATFORMS[name].settings.model_fields)
    row = rows(docs.platforms(), "# Platforms")[name]

    assert set(settings) == (own - {"api_base", "every", "proxy"} if PLATFORMS[name].card.pushed else own)
    assert row[1] == ("yes" if PLATFORMS[name].card.can_reply else "by hand")


def test_a_folder_is_not_called_a_file() -> None:
    assert rows(docs.configuration(), "### `csv`")["path"][0] == "folder"


@pytest.mark.parametrize("name", ["csv", "mail"])
def test_what_makes_no_request_is_offered_neither_an_address_nor_a_proxy(name: str) -> None:
    offered = rows(docs.configuration(), f"### `{name}`")

    assert "every" in offered
    assert not {"api_base", "proxy"} & set(offered)


# states.md


def test_each_state_has_a_row_with_the_labels_of_its_buttons() -> None:
    table = rows(docs.states(), "## Buttons")

    assert set(table) == {state.value for state in State}
    assert table["new"][1] == "Take, Write reply, Dismiss, *Open original*"
    assert table["in_approval"][1] == "Take back"
    for (side, state), shown in BUTTONS.items():
        cell = table[state.value][1 if side == "staff" else 2]
        assert len(cell.split(", ")) == len(shown)
        assert "button_" not in cell


def test_the_diagram_is_one_that_is_drawn() -> None:
    page = docs.states()

    assert page.count("```") == 2
    assert "```mermaid\nstateDiagram-v2" in page

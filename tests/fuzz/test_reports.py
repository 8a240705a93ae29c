"""What fuzzed texts leave in a test's report reaches the run that gathers the reports."""

from __future__ import annotations

import logging

import pytest
from execnet import dumps, loads

from tests.conftest import encodable


def test_half_a_surrogate_pair_in_a_log_line_ends_no_run(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("slack_bolt").warning("no listener for \ud800")

    report = {"sections": [("Captured log", caplog.text)], "\udfff": None, "outcome": ["passed", 1, 0.5]}
    sent = loads(dumps(encodable(report)))
    assert "no listener for \\ud800" in sent["sections"][0][1]
    assert (sent["outcome"], list(sent)[1]) == (["passed", 1, 0.5], "\\udfff")

"""What the service writes to its log."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

FAILING = """
import logging, sys, structlog
from selector_api.settings import Settings
from selector_api.web.serve import configure_logging

def fail(authorization):
    raise RuntimeError("it broke")

configure_logging(Settings(log_format=sys.argv[1]))
try:
    fail("Bearer bots_secret")
except RuntimeError as error:
    structlog.get_logger("selector_api.web").error("request failed", exc_info=error)
    logging.getLogger("selector_api.store").exception("store failed")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_in_the_log_shows_no_values(log_format):
    failing = subprocess.run(
        [sys.executable, "-c", FAILING, log_format], capture_output=True, text=True, check=True
    )
    assert failing.stderr.count("RuntimeError: it broke") == 2
    assert "bots_secret" not in failing.stderr
    if log_format == "json":
        events = [json.loads(line)["event"] for line in failing.stderr.splitlines()]
        assert events == ["request failed", "store failed"]

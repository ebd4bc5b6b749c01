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


WRITING = """
import logging, sys, structlog
from selector_api.settings import Settings
from selector_api.web.serve import configure_logging

configure_logging(Settings(log_format=sys.argv[1], log_level=sys.argv[2]))
run = "r\\n2026-01-01 [error] forged\\x1b[2J\\r\\x9b\\u2028\\u202e"
log, structured = logging.getLogger("selector_api.store"), structlog.get_logger("selector_api.web")
log.info("quiet")
log.warning("cannot read %s", run)
structured.warning(run, run=run, other=[run])
logging.getLogger("of.a.library").info("chatter")
try:
    raise RuntimeError(run)
except RuntimeError:
    log.exception("failed")
"""


def written(log_format: str, level: str) -> str:
    command = [sys.executable, "-c", WRITING, log_format, level]
    return subprocess.run(command, capture_output=True, check=True).stderr.decode()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_name_cannot_write_into_the_log_what_is_not_so(log_format: str) -> None:
    text = written(log_format, "warning")
    assert text.replace("\n", "").isprintable()
    assert text.count("forged") >= 5
    assert not any(line.startswith("2026-01-01 [error]") for line in text.splitlines())


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_the_level_is_that_of_the_service_and_libraries_keep_quiet(log_format: str) -> None:
    assert "quiet" not in written(log_format, "warning")
    text = written(log_format, "info")
    assert "quiet" in text
    assert "chatter" not in text

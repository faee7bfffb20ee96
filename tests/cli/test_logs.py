"""The logs: shape, level, and foreign libraries."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bgpd.cli import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_without_a_terminal_a_line_is_a_json_object() -> None:
    stream = io.StringIO()
    logs.configure("info", "auto", stream)
    structlog.get_logger().bind(peer="tor").info("session ended", reason="Hold Timer Expired")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["peer"], line["reason"]) == ("session ended", "tor", "Hold Timer Expired")
    assert line["level"] == "info"


def test_text_can_be_asked_for() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream)
    structlog.get_logger().info("session ended", reason="bored")
    assert "session ended" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_a_changed_level_reaches_loggers_that_exist() -> None:
    stream = io.StringIO()
    threshold = logs.configure("info", "json", stream)
    log = structlog.get_logger().bind(peer="tor")
    log.debug("unheard")
    threshold.set("debug")
    log.debug("heard")
    threshold.set("error")
    log.warning("unheard")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["heard"]


def test_lines_of_libraries_have_the_same_shape() -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    logging.getLogger("aiohttp").error("request failed: %s", "reset")
    logging.getLogger("aiohttp").info("unheard")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("request failed: reset", "error")]

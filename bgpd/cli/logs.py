"""The logs: text on a terminal, one JSON object a line otherwise, always on standard error.

Foreign libraries log through ``logging``; their lines take the same way and shape. The level is looked at in one
place, so that changing it reaches every logger that exists already.
"""

import logging
import sys
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMATS: Final = ("auto", "text", "json")


class Threshold:
    """Drops what is below a level that may change while the daemon runs."""

    def __init__(self, level: str) -> None:
        self.set(level)

    def __call__(self, _: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if LEVELS.get(method, logging.ERROR) < self._least:
            raise structlog.DropEvent
        return event

    def set(self, level: str) -> None:
        """Let this level and what is above it through. Raises KeyError for a name that is not in LEVELS."""
        self._least = LEVELS[level]
        logging.getLogger().setLevel(max(self._least, logging.WARNING))  # libraries: only what is wrong
        self.level = level


def configure(level: str, style: str, stream: TextIO = sys.stderr) -> Threshold:
    """Set up all logging; return the level's knob.

    level: a key of LEVELS. style: one of FORMATS; auto = text on a terminal, JSON otherwise.
    """
    as_text = style == "text" or (style == "auto" and stream.isatty())
    threshold = Threshold(level)
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if as_text else "iso", utc=not as_text),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[threshold, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.getLogger().handlers[:] = [handler]
    return threshold

"""Log lines: by default with a priority for the systemd journal, plain on terminals, JSON elsewhere."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from kronkeep_common.text import clean

# sd-daemon(3): "<N>" at the start of a line on standard error is its syslog priority.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournalFormatter(logging.Formatter):
    """Formats `<6>logger: message`; each line of a traceback carries the priority too."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        lines = f"{record.name}: {super().format(record)}".split("\n")
        return "\n".join(prefix + clean(line) for line in lines)


class TextFormatter(logging.Formatter):
    """Formats `TIME LEVEL logger: message`, with the time in UTC; each line of a traceback is a line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        lines = f"{moment} {record.levelname} {record.name}: {super().format(record)}".split("\n")
        return "\n".join(map(clean, lines))


class JsonFormatter(logging.Formatter):
    """Formats one JSON object a line: time, level, logger, message, and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def set_up_logging(level: str, chosen: str = "auto") -> None:
    """Send the process's log to standard error.

    level: the lowest level that is written: debug, info, warning or error.
    chosen: `text`, `json`, or `auto` for the format that suits what reads standard error.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(choose_formatter(chosen, os.environ, on_terminal=sys.stderr.isatty()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)


def choose_formatter(chosen: str, environment: Mapping[str, str], *, on_terminal: bool) -> logging.Formatter:
    """Return what formats the log; systemd's journal (JOURNAL_STREAM, systemd.exec(5)) gets priorities."""
    if chosen == "json":
        return JsonFormatter()
    if on_terminal:
        return logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    if "JOURNAL_STREAM" in environment:
        return JournalFormatter()
    return TextFormatter() if chosen == "text" else JsonFormatter()

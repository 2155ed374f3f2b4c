"""Log lines: priority-prefixed for the systemd journal, plain on terminals, one JSON object elsewhere."""

import json
import logging
import os
import sys
from datetime import UTC, datetime

from kronkeep_common.text import clean

# sd-daemon(3): "<N>" at the start of a line on standard error is its syslog priority.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournalFormatter(logging.Formatter):
    """`<6>logger: message`, with a traceback's lines each carrying the priority."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as lines that the journal files under its priority."""
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        lines = f"{record.name}: {super().format(record)}".split("\n")
        return "\n".join(prefix + clean(line) for line in lines)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON; line feeds inside are escaped by the encoding."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def set_up_logging(level: str) -> None:
    """Sends the process's log to standard error in the form that its reader wants."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JournalFormatter() if "JOURNAL_STREAM" in os.environ else JsonFormatter())
    if sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)

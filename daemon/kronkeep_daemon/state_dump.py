"""The state of the daemon as lines of its log, at SIGUSR1: for a daemon whose socket no longer answers."""

import json
import logging
import os
import resource
import threading
from pathlib import Path

import msgspec

from kronkeep_common.version import VERSION
from kronkeep_daemon.history import History
from kronkeep_daemon.http.services import Services
from kronkeep_daemon.supervisor import Supervisor

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # whoever asks for the state sees it, whatever `--log-level` says
OPERATIONS = 20
LONGEST_LINE = 8000  # characters; a line of journald holds 48 KiB


def log_state(services: Services, supervisor: Supervisor) -> None:
    """Write one line each for the process, the tasks, the watches, the operations and the history."""
    sections: dict[str, object] = {
        "process": _describe_process(),
        "tasks": supervisor.names(),
        "watches": services.cronjobs.watch_states(),
        "operations": services.operations.newest(OPERATIONS),
        "history": _describe_history(services.history),
    }
    for name, content in sections.items():
        line = json.dumps(msgspec.to_builtins(content))
        log.info("state of %s: %s", name, line[:LONGEST_LINE])


def _describe_process() -> dict[str, object]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "version": VERSION,
        "pid": os.getpid(),
        "threads": threading.active_count(),
        "open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "largest_rss_bytes": usage.ru_maxrss * 1024,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
    }


def _describe_history(history: History) -> dict[str, object]:
    return {
        "seq": history.seq,
        "executions": history.executions.count(),
        "backups": history.backups.count(),
        "alerts": history.alerts.count(),
    }

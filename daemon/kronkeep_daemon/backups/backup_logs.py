"""What the containers of a backup's Jobs said, kept with its record."""

from collections.abc import AsyncIterator

import msgspec

from kronkeep_common.errors import LogNotFound, ReadOnlyHistory
from kronkeep_common.models import BackupExecution, KeptLog
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import Capped
from kronkeep_daemon.jobs.outcome import FinishedJob

_PROGRESS = b'{"message_type":"status"'


class BackupLogs:
    """Logs beside the history's journal, one file a container."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def keep(self, backup_id: str, ended: FinishedJob) -> tuple[KeptLog, ...]:
        """Keeps what each step said, without restic's progress; a full disk keeps nothing."""
        found: list[KeptLog] = []
        for step in ended.containers:
            capped = Capped()
            capped.add(
                b"".join(line + b"\n" for line in step.log.split(b"\n") if line and not _progress(line))
            )
            try:
                kept = await self._history.logs.save(backup_id, f"{ended.pod}.{step.name}", ended.pod, capped)
            except ReadOnlyHistory:
                return tuple(found)
            found.append(msgspec.structs.replace(kept, container=step.name))
        return tuple(found)

    async def read(self, backup: BackupExecution) -> AsyncIterator[bytes]:
        """All kept logs in order, each under a heading; raises LogNotFound where none is kept."""
        kept = [*backup.logs, *(log for run in backup.hooks for log in run.logs)]
        if not kept:
            raise LogNotFound(f"No log of backup {backup.id} is kept yet.")
        for entry in kept:
            text = await self._history.logs.read(backup.id, f"{entry.pod}.{entry.container}")
            yield f"--- {entry.pod} {entry.container}\n".encode()
            yield text or b""


def _progress(line: bytes) -> bool:
    return _PROGRESS in line[:80]

"""The logs of the containers of a backup's Jobs, kept in the history beside the backup's record."""

from collections.abc import AsyncIterator

import msgspec

from kronkeep_common.errors import LogNotFound, ReadOnlyHistory
from kronkeep_common.models import BackupCopy, BackupExecution, KeptLog
from kronkeep_daemon.history import History
from kronkeep_daemon.history.kept_logs import CappedLog
from kronkeep_daemon.history.removed_logs import describe_removal, refuse_removed
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.restic import snapshots

_PROGRESS = b'{"message_type":"status"'


class BackupLogs:
    """The saved logs of backups, one file for each container."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def save(self, backup: BackupExecution | BackupCopy, finished: FinishedJob) -> tuple[KeptLog, ...]:
        """Save the containers' logs without restic's progress lines; return what was saved.

        On a full disk the rest is left out.
        """
        saved: list[KeptLog] = []
        for container in finished.containers:
            if container.name == snapshots.STEP and container.exit_code == 0:
                continue  # the list is for the daemon alone
            capped = CappedLog()
            lines = [line for line in container.log.split(b"\n") if line and not _is_progress(line)]
            capped.add(b"".join(line + b"\n" for line in lines))
            try:
                log = await self._history.logs.save(
                    backup, f"{finished.pod}.{container.name}", finished.pod, capped
                )
            except ReadOnlyHistory:
                break
            saved.append(msgspec.structs.replace(log, container=container.name))
        return tuple(saved)

    async def read(self, backup: BackupExecution | BackupCopy) -> AsyncIterator[bytes]:
        """Yield all saved logs in order, each under a heading; raises LogNotFound, LogRemoved."""
        hooks = backup.hooks if isinstance(backup, BackupExecution) else ()
        logs = [*backup.logs, *(log for run in hooks for log in run.logs)]
        if not logs:
            raise LogNotFound(f"No log of {backup.id} is kept yet.")
        refuse_removed(logs, backup.namespace)
        for entry in logs:
            yield f"--- {entry.pod} {entry.container}\n".encode()
            if entry.removed is not None:
                yield f"[kronkeep: {describe_removal(entry.removed, backup.namespace)}]\n".encode()
            else:
                yield await self._history.logs.read(backup, f"{entry.pod}.{entry.container}") or b""


def _is_progress(line: bytes) -> bool:
    return _PROGRESS in line[:80]

"""What the containers of a restore say: states, progress, names, hashes, logs."""

from kronkeep_common.clock import Clock
from kronkeep_common.models import Restore
from kronkeep_common.states import RestoreStatus
from kronkeep_daemon.history.kept_logs import Capped
from kronkeep_daemon.restic import restore as restic_restore
from kronkeep_daemon.restores import path_mapping
from kronkeep_daemon.restores.checksums import ChecksumParser, FileListParser
from kronkeep_daemon.restores.restore_records import RestoreRecords

PROGRESS_SECONDS = 1.0


class RestoreLogParser:
    """Hears one attempt's containers, line by line."""

    def __init__(self, records: RestoreRecords, restore: Restore, clock: Clock) -> None:
        self.names = FileListParser()
        self.sums = ChecksumParser()
        self.logs: dict[str, Capped] = {}
        self._records = records
        self._id = restore.id
        self._clock = clock
        self._told = 0.0
        self._stage = path_mapping.stage(restore.id)
        self._verifying = restore.status is RestoreStatus.VERIFYING

    def hear(self, container: str, line: bytes) -> None:
        """Takes one line."""
        if not container.startswith("restore") or line.startswith(restic_restore.VERIFYING):
            self._verify()
        if container == "names":
            self.names.hear(line)
        elif container == "sums":
            self.sums.hear(line)
        else:
            self._say(container, line)

    def snapshot_names(self) -> set[str]:
        """What was listed, as the snapshot has it."""
        return {path_mapping.snapshot_path(p, self._stage) for p in (*self.names.files, *self.names.folders)}

    def snapshot_sums(self) -> dict[str, str]:
        """What was hashed, by the snapshot's paths."""
        return {path_mapping.snapshot_path(p, self._stage): found for p, found in self.sums.found.items()}

    def _verify(self) -> None:
        if not self._verifying:
            self._verifying = True
            self._records.note(self._id, status=RestoreStatus.VERIFYING, progress=None)

    def _say(self, container: str, line: bytes) -> None:
        found = restic_restore.parse_progress(line)
        if found is None:
            self.logs.setdefault(container, Capped()).add(line + b"\n")
        elif self._clock.monotonic() - self._told >= PROGRESS_SECONDS:
            self._told = self._clock.monotonic()
            self._records.note(self._id, progress=found)

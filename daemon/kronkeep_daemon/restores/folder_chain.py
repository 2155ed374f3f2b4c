"""How far a folder of a snapshot contains nothing but one folder, and that one the next; pure."""

from kronkeep_common.models import SnapshotFile


class FolderChain:
    """The folders below one, each the only entry of the one before, found while a listing is read in order.

    A listing has a folder before what is below it (restic ls). Only the chain is held in memory.
    """

    def __init__(self, path: str) -> None:
        self._paths = [path]
        self._counts = [0]

    def add(self, entry: SnapshotFile) -> None:
        """Take in an entry that is below the folder."""
        parent = entry.path.rpartition("/")[0]
        if parent not in self._paths:
            return
        place = self._paths.index(parent)
        self._counts[place] += 1
        if self._counts[place] > 1:
            del self._paths[place + 1 :]
            del self._counts[place + 1 :]
        elif entry.kind == "dir":
            self._paths.append(entry.path)
            self._counts.append(0)

    @property
    def end(self) -> str:
        """The last folder of the chain; empty where the first contains something else."""
        return self._paths[-1] if len(self._paths) > 1 else ""

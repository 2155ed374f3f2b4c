"""The page of what two backups differ in; pure."""

from kronkeep_common.models.file_changes import BackupDiff, FileChange
from kronkeep_common.text import clean, short_id, size
from kronkeep_tui.widgets.cells import Text

_SIGNS = {"added": ("+", "ok"), "removed": ("-", "bad"), "changed": ("M", "warn")}


def lines(diff: BackupDiff) -> list[Text]:
    """Return the counts, then a line for each file and folder that differs."""
    count = diff.added + diff.removed + diff.changed
    head = f"from {short_id(diff.older_id)} to {short_id(diff.newer_id)}"
    drawn: list[Text] = [
        (
            (head, "strong"),
            (f": {diff.added} added, {diff.removed} removed, {diff.changed} changed", ""),
            (f"; {size(diff.bytes_added)} more, {size(diff.bytes_removed)} less", ""),
        ),
        (),
    ]
    if not count:
        return [*drawn, (("No file differs in size or time.", "quiet"),)]
    drawn += [_change_line(change) for change in diff.items]
    if count > len(diff.items):
        command = f"kronkeep diff {short_id(diff.older_id)} {short_id(diff.newer_id)} --path FOLDER"
        drawn.append(((f"{count - len(diff.items)} more: {command}", "quiet"),))
    return drawn


def _change_line(change: FileChange) -> Text:
    sizes = [each for each in (change.old_size, change.size) if each is not None]
    words = " → ".join(map(size, sizes))
    return (_SIGNS[change.change], (f" {words:>22}  ", "quiet"), (clean(change.path), ""))

"""The page of two backups' differences."""

from kronkeep_common.models.file_changes import BackupDiff, FileChange
from kronkeep_tui.pages import diff as page


def texts(diff: BackupDiff) -> list[str]:
    return ["".join(text for text, _ in line) for line in page.lines(diff)]


def test_changes_have_signs_and_sizes_and_hostile_names_are_harmless() -> None:
    items = [
        FileChange(change="removed", path="/s/a\x1b[2J", kind="file", old_size=5),
        FileChange(change="changed", path="/s/b", kind="file", old_size=5, size=15),
    ]
    diff = BackupDiff(older_id="a" * 32, newer_id="b" * 32, items=items, removed=1, changed=1, added=7)
    head, _, first, second, rest = texts(diff)
    assert "7 added, 1 removed, 1 changed" in head
    assert first.startswith("- ")
    assert "\x1b" not in first
    assert "5 B → 15 B" in second
    assert rest.startswith("7 more: kronkeep diff")


def test_equal_backups_are_said_to_be_so() -> None:
    assert texts(BackupDiff(older_id="a", newer_id="b", items=[]))[-1] == "No file differs in size or time."

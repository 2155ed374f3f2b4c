"""What a pattern leaves out, as kronkeep tells it and as restic does it."""

import json
import random
import subprocess
from pathlib import Path

import pytest
from tests.e2e.backup_site import DEBIAN_RESTIC, NEWER_RESTIC
from tests.quick_repository import write_quick_repository

from kronkeep_common.errors import InvalidPolicy
from kronkeep_common.models import Source
from kronkeep_daemon.restic import backup, exclude_patterns
from kronkeep_daemon.restic.exclude_patterns import ExcludeFilter
from kronkeep_daemon.restic.snapshots import SnapshotTags

PROGRAMS = [program for program in (DEBIAN_RESTIC, str(NEWER_RESTIC)) if Path(program).exists()]
NAMES = ["a", "b", "data", "source", "x.tmp", "[q]", "we ird", "a-1", "ü", ".hid", "*", "cache"]
PIECES = [*NAMES, "*", "**", "?", "*.tmp", "[ab]", "[^a]", "[a-c]*", "\\*", "\\[q\\]", "a*", "", "."]
LISTS = [
    ["b", "!a/b"],
    ["*.tmp"],
    ["/a"],
    ["/a/**/b", "!x.tmp"],
    ["data"],
    ["source"],
    ["/source/data/a"],
    ["a//b/"],
    ["./a"],
    ["**"],
    ["a/**"],
    ["**/a"],
    ["a/**/b"],
    ["**/a/**/*.tmp", "!data"],
    ["/a/**/b/**"],
    ["*", "!data"],
]


def make_tree(folder: Path, choice: random.Random) -> None:
    """Write about sixty small files in folders with odd names."""
    for _ in range(60):
        path = folder.joinpath(*choice.choices(NAMES, k=choice.randint(1, 4)))
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * choice.choice([1, 10, 1000]))
    tagged = folder / "tagged"
    (tagged / "below").mkdir(parents=True)
    (tagged / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (tagged / "below" / "file").write_text("x")
    (tagged / "file").write_text("x")


def make_lists(choice: random.Random) -> list[list[str]]:
    """Return lists of random patterns that restic takes."""
    lists = []
    for _ in range(40):
        patterns = [
            choice.choice(["", "", "/", "!", "!/"]) + "/".join(choice.choices(PIECES, k=choice.randint(1, 3)))
            for _ in range(choice.randint(1, 3))
        ]
        if all(pattern.strip("!/.") for pattern in patterns):
            lists.append(patterns)
    return lists


def list_archived(program: str, tree: Path, repository: Path, source: Source) -> set[str]:
    """Return the files that restic would archive, from a run that archives nothing."""
    options = backup.argv(
        backup.BackupOptions(host="h", tags=_no_tags(), compression="auto", force=False), ["/source"], source
    )
    sandbox = ["bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib"]
    sandbox += ["--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--proc", "/proc"]
    sandbox += ["--ro-bind", program, "/restic", "--ro-bind", str(tree), "/source/data"]
    sandbox += [
        "--bind",
        str(repository),
        "/repository",
        "--setenv",
        "RESTIC_PASSWORD",
        "x",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
    ]
    argv = ["/restic", "-r", "/repository", "--no-cache", "--dry-run", "--verbose=2", *options[1:]]
    done = subprocess.run([*sandbox, *argv], capture_output=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if b'"verbose_status"' in line]
    assert done.returncode == 0 or b"snapshot is empty" in done.stderr, done.stderr  # so 0.14 ends
    return {line["item"] for line in lines if line["action"] == "new" and not line["item"].endswith("/")}


def _no_tags() -> SnapshotTags:
    return SnapshotTags(policy="p", run="r", backup="b")


def list_expected(tree: Path, source: Source) -> set[str]:
    """Return the files that are not left out, as kronkeep reads the patterns."""
    entries = sorted(tree.rglob("*"))
    caches = frozenset(
        f"/source/data/{e.parent.relative_to(tree)}" for e in entries if e.name == "CACHEDIR.TAG"
    )
    excludes = ExcludeFilter(
        source.exclude,
        largest=source.exclude_larger_than,
        cache_folders=caches if source.exclude_caches else frozenset(),
    )
    kept = set()
    for entry in entries:
        path = f"/source/data/{entry.relative_to(tree)}"
        is_left_out = excludes.leaves_out(path, is_folder=entry.is_dir(), size=entry.stat().st_size)
        if not is_left_out and entry.is_file():
            kept.add(path)
    return kept


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_pattern_leaves_out_what_restic_leaves_out(program: str, tmp_path: Path) -> None:
    choice = random.Random(7)
    tree = tmp_path / "tree"
    make_tree(tree, choice)
    repository = tmp_path / "repository"
    write_quick_repository(repository, "x")
    sources = [Source(exclude=tuple(patterns)) for patterns in [*LISTS, *make_lists(choice)]]
    sources += [Source(exclude_larger_than=10), Source(exclude_caches=True), Source()]
    for source in sources:
        assert list_archived(program, tree, repository, source) == list_expected(tree, source), source


@pytest.mark.parametrize(
    "text", ["[", "a[", "[]", "[a-]", "a\\", "[a", "..", "a/../b", "", "!", "a\nb", "x\0"]
)
def test_a_pattern_that_restic_refuses_is_refused_before(text: str) -> None:
    with pytest.raises(InvalidPolicy, match="cannot be used"):
        exclude_patterns.parse_pattern(text)

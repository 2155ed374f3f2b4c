"""Listings of very large snapshots (LISTING_ENTRIES, else 5,000,000): memory and CPU time of each question.

Two snapshots, which differ in every thousandth file, in folders of a thousand files and one flat folder with
a fifth of all. Each question is asked in a process of its own, as the daemon asks it in a thread: writing the
listing from restic's lines, a page of a folder, of the flat one at its end, what the two differ in, a search.
Allowed are 300 MB, and for each snapshot a second of CPU time for 100,000 entries.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ENTRIES = int(os.environ.get("LISTING_ENTRIES", "5000000"))
MOST_MB = 300
ENTRIES_A_SECOND = 100_000

QUESTION = """
import json, resource, sys, time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from tests.records import make_backup
from kronkeep_common.models import BackupResult
from kronkeep_daemon.restores import listing_comparison
from kronkeep_daemon.restores.snapshot_listing import ListingWriter, SnapshotListings
import asyncio
folder, question, entries = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
NODE = (b'{"name":"%s","type":"%s","path":"%s","uid":0,"gid":0,"size":%d,"mode":420,'
        b'"permissions":"-rw-r--r--","mtime":"2026-11-30T10:00:00.123456789Z","atime":"2026-11-30T10:00:00.123456789Z",'
        b'"ctime":"2026-11-30T10:00:00.123456789Z","struct_type":"node"}')
def node(path, kind, size=0):
    return NODE % (path.rpartition(b"/")[2], kind, path, size)
def lines(version):
    yield node(b"/source", b"dir")
    yield node(b"/source/data", b"dir")
    yield node(b"/source/data/aflat", b"dir")
    for number in range(entries // 5):
        yield node(b"/source/data/aflat/file-%07d.txt" % number, b"file", number)
    for group in range(entries * 4 // 5 // 1000):
        yield node(b"/source/data/d%06d" % group, b"dir")
        for number in range(1000):
            name = b"file-%03d.sql" if number == 7 else b"file-%03d.txt"
            size = number + version * (number == 500)
            yield node(b"/source/data/d%06d/" % group + name % number, b"file", size)
def backup(name):
    return make_backup(id=name, result=BackupResult(snapshot_id="s" * 64))
nothing = None
settings = SimpleNamespace(state=str(folder))
listings = SnapshotListings(
    jobs=nothing, backups=nothing, places=SimpleNamespace(list_places=lambda name, _: [backup(name)]),
    storages=nothing, queues=nothing, reconciliation=nothing, settings=lambda: settings, supervisor=nothing)
def write():
    for version, name in enumerate(("old", "new")):
        with ListingWriter(folder / "listings" / f"{name}.jsonl.gz") as writer:
            writer.add_line("ls", b'{"struct_type":"snapshot"}')
            for line in lines(version):
                writer.add_line("ls", line)
            writer.publish()
def page():
    folder_page = asyncio.run(listings.fetch_folder("old", "/source/data", 1000, None))
    assert folder_page.total == entries * 4 // 5 // 1000 + 1
def flat():
    cursor = f"{entries // 5 - 1000}.0"
    folder_page = asyncio.run(listings.fetch_folder("old", "/source/data/aflat", 1000, cursor))
    assert len(folder_page.items) == 1000 and folder_page.next_cursor is None
def diff():
    read = listings.read_entries
    answer = listing_comparison.compare_listings(
        "old", partial(read, backup("old")), "new", partial(read, backup("new")), path="/", limit=1000)
    assert (answer.changed, answer.added, answer.removed) == (entries * 4 // 5 // 1000, 0, 0), answer
def find():
    collector = listing_comparison.MatchCollector("*.sql", 1000)
    collector.add(backup("old"), listings.read_entries(backup("old")))
    assert len(collector.matches()) == min(1000, entries * 4 // 5 // 1000)
(folder / "listings").mkdir(exist_ok=True)
began = time.process_time()
globals()[question]()
print(json.dumps([time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))
"""


def ask(folder: Path, question: str) -> tuple[float, float]:
    """Return the CPU seconds of a question, and the most megabytes of memory of its process."""
    argv = [sys.executable, "-c", QUESTION, str(folder), question, str(ENTRIES)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(done.stdout)
    print(f"  {question}: {seconds:.1f} s of CPU, {megabytes:.0f} MB", file=sys.stderr, flush=True)
    return seconds, megabytes


def run() -> dict[str, float]:
    """Return, for each question, its part of what is allowed for two listings: both must be below 1."""
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        for question in ("write", "page", "flat", "diff", "find"):
            seconds, megabytes = ask(Path(name), question)
            figures[f"listings_{question}_mb_of_allowed"] = round(megabytes / MOST_MB, 2)
            figures[f"listings_{question}_cpu_of_allowed"] = round(
                seconds * ENTRIES_A_SECOND / ENTRIES / 2, 2
            )
    return figures

"""A state machine against a plain dict: any order of changes, commits, compactions, crashes and restarts."""

import asyncio
import resource
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tinydb import where

from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import ReadOnlyHistory
from kronkeep_daemon.history import History

KEYS = st.sampled_from("abcdef")
Model = dict[str, tuple[str, int]]


class Machine(RuleBasedStateMachine):
    """The state machine: `model` is what memory holds, `durable` what the last commit promised."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.home = Path(tempfile.mkdtemp(prefix="kronkeep-"))
        self.lives = 0
        self.model: Model = {}
        self.durable: Model = {}
        self.history = self.open_history()

    @property
    def folder(self) -> Path:
        return self.home / str(self.lives)

    def open_history(self) -> History:
        return self.runner.run(History.open(self.folder, clock=SystemClock()))

    @rule(key=KEYS, status=st.sampled_from(["failed", "running"]), number=st.integers(0, 9))
    def upsert(self, key: str, status: str, number: int) -> None:
        """Insert or update, by TinyDB's own method."""
        table = self.history.table("t")
        stamp = f"2026-01-01T00:00:0{number}Z"
        doc = {"id": key, "status": status, "created_at": stamp, "n": number}
        table.upsert(doc, where("id") == key)
        self.model[key] = status, number

    @rule(status=st.sampled_from(["failed", "running"]), number=st.integers(0, 9))
    def update_some(self, status: str, number: int) -> None:
        """Change every document of a status."""
        self.history.table("t").update({"n": number}, where("status") == status)
        self.model = {k: (s, number if s == status else n) for k, (s, n) in self.model.items()}

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        """Remove a document, if it exists."""
        self.history.table("t").remove(where("id") == key)
        self.model.pop(key, None)

    @rule()
    def truncate(self) -> None:
        """Remove every document at once."""
        self.history.table("t").truncate()
        self.model = {}

    @rule()
    def commit(self) -> None:
        """Make the model durable from here on."""
        self.runner.run(self.history.commit())
        self.durable = dict(self.model)

    @rule()
    def fail_for_space(self) -> None:
        """Fail a commit for lack of space: it undoes what the disk does not have, and nothing else."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        try:
            with suppress(ReadOnlyHistory):
                self.runner.run(self.history.commit())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        self.model = dict(self.durable)

    @rule()
    def compact(self) -> None:
        """Commit, and write the database without its free space."""
        self.runner.run(self.history.compact())
        self.durable = dict(self.model)

    @rule()
    def reopen(self) -> None:
        """Close in order, which commits, and open again."""
        self.runner.run(self.history.close())
        self.durable = dict(self.model)
        self.history = self.open_history()

    @rule(torn=st.sampled_from([b"", b"torn", b"\0" * 100, b"\0" * 5000]))
    def crash(self, torn: bytes) -> None:
        """Continue with the files as they are at this moment, as after a kill -9 or a torn last write."""
        old = self.folder
        crashed = self.history
        self.lives += 1
        shutil.copytree(old, self.folder)
        with (self.folder / "history.db-wal").open("ab") as file:
            file.write(torn)
        self.runner.run(crashed.close())
        self.model = dict(self.durable)
        self.history = self.open_history()

    @invariant()
    def reads_what_the_model_holds(self) -> None:
        """Read by several ways what the model holds."""
        table = self.history.table("t")
        rows = {doc["id"]: (doc["status"], doc["n"]) for doc in table}
        assert rows == self.model
        assert len(table) == len(self.model)
        for status in ("failed", "running"):
            some = {doc["id"] for doc in table.search(where("status") == status)}
            assert some == {key for key, (held, _) in self.model.items() if held == status}
            assert table.rows.count("status", {"status": status}).get(status, 0) == len(some)

    def teardown(self) -> None:
        """Close the history and remove its folder."""
        self.runner.run(self.history.close())
        self.runner.close()
        shutil.rmtree(self.home)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_a_thousand_lives() -> None:
    often = settings(max_examples=1000, stateful_step_count=100, deadline=None)
    run_state_machine_as_test(Machine, settings=often)

"""A newcomer's tour: 48 tasks at 80x24 and 200x50 in tmux, with a real demo; keys are counted.

Each task has what is pressed or called, what must then be said, and the most keys that it took when the tour
was first made. Tasks that need something broken, or thousands of lines, are done by the tests that they name.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.e2e.test_demo import Demo
from tests.e2e.test_terminal import Tmux
from tests.waiting import eventually

from kronkeep_daemon.demo import NAMESPACE

TESTS = Path(__file__).parents[1]
KEYS = re.compile(r"<([^>]+)>|\[(\[?[^\]]+)\]|\{([^}]+)\}|(.)")
REASON = "the price list is not where"


class Keys(NamedTuple):
    """A task at the terminal: `keys` are typed, those in <> by their names in tmux.

    [text] waits for a text, {text} until it is gone: with the next key at once escape would be an alt key.
    """

    number: int
    task: str
    keys: str
    says: tuple[str, ...]
    most: int


class Words(NamedTuple):
    """A task at the command line: what is called, and what it must print."""

    number: int
    task: str
    argv: str
    says: tuple[str, ...]
    code: int = 0


class Elsewhere(NamedTuple):
    """A task that a test does for itself."""

    number: int
    task: str
    test: str


TOUR: tuple[Keys | Words | Elsewhere, ...] = (
    Keys(1, "which job failed, why", "", ("always-fails", "runs failed"), 0),
    Keys(2, "its log", "2l", (REASON,), 2),
    Keys(3, "search in its log", "/price<Enter>", ("with 'price'",), 7),
    Keys(4, "run it again", "t", ("Run now", "always-fails? y/n"), 2),
    Keys(
        5,
        "the backup of a run",
        "<Escape>{y/n}:job shop-db-dump<Enter>[manual]<Enter>",
        ("backup", "snapshot"),
        22,
    ),
    Keys(6, "browse a snapshot", "5[SNAPSHOT]<Enter>[shop-dumps/]<Enter>", ("shop.sql",), 5),
    Keys(7, "save one file", "d", ("Download",), 2),
    Keys(8, "restore to a new claim", "<Escape>{to: }r", ("[Target]", "new,"), 4),
    Keys(9, "a new CronJob by the form", "<Escape>{Besides}2[LAST]n", ("[CronJob]", "every day at 02:00"), 3),
    Keys(10, "a fault is marked before one comes to it", "Bad Name", ("CronJob!",), 8),
    Keys(11, "edit", "<Escape>{new CronJob}e", ("edit ", "[CronJob]"), 2),
    Elsewhere(12, "YAML in $EDITOR", "e2e/test_terminal.py::test_a_whole_session"),
    Keys(13, "suspend and undo", "<Escape>{edit default}sy[u undoes it]u", ("Undone:",), 4),
    Keys(14, "a new storage", "6[CHECKED]n", ("[local]", "/var/backups/"), 3),
    Elsewhere(15, "s3 with a wrong key", "e2e/storages/test_servers.py::"),
    Elsewhere(16, "an address that does not answer", "e2e/test_storage_address.py::"),
    Keys(17, "what retention would remove", "<Escape>{new storage}4[RPO]R", ("TO REMOVE",), 3),
    Keys(18, "set the RPO", "<Escape>{TO REMOVE}e", ("[Backup]", "enabled"), 10),
    Keys(19, "a drill", "<Escape>{[Backup]}5[SNAPSHOT]d", ("Drilling",), 3),
    Keys(20, "acknowledge an alert", "7[warn]a", ("Acknowledged",), 2),
    Keys(21, "filter", "3[STARTED]/status:failed<Enter>", ("filter: status:failed",), 17),
    Keys(22, "sort", "Sd", ("sort: ",), 2),
    Keys(23, "mark and act", "<Escape>{filter: }2[LAST]<Space><Space>s", ("2 marked", "y/n"), 6),
    Keys(24, "compare two runs", "<Escape>{y/n}<Escape>{marked}3[STARTED]<Space><Space>=", ("compare",), 8),
    Keys(25, "history", "2[LAST]h", ("DAYS",), 4),
    Keys(26, "help", "<Escape>{DAYS}?", ("Keys in",), 2),
    Keys(27, "search all actions", "<Escape>{Keys in}<C-p>", ("WHY NOT",), 2),
    Keys(28, "a command", "<Escape>{WHY NOT}:storages<Enter>", ("Storages",), 11),
    Keys(29, "copy", "c", ("Copied",), 1),
    Elsewhere(30, "a killed daemon", "e2e/test_terminal.py::test_after_a_killed_daemon"),
    Elsewhere(31, "any size", "ui/test_large.py::test_every_view_draws_at_300_by_100"),
    Elsewhere(32, "NO_COLOR", "ui/test_frame.py::test_no_color_sends_flags_only"),
    Elsewhere(33, "plain mode", "ui/test_frame.py::test_plain_mode_draws_nothing_in_any_view"),
    Elsewhere(34, "a log of 200,000 lines", "unit/tui/test_widgets.py::test_a_long_log_keeps_head_and_tail"),
    Elsewhere(35, "hostile names and logs", "ui/test_hostile.py::test_nothing_raw_reaches_the_screen"),
    Elsewhere(36, "two jobs of one name", "ui/test_namesakes.py::"),
    Elsewhere(37, "very many CronJobs", "ui/test_budgets.py::"),
    Words(38, "help of a verb", "restore --help", ("--new-claim",)),
    Words(39, "formats", "get cronjobs -o name", ("/always-fails",)),
    Elsewhere(40, "completion", "integration/cli/test_cli.py::test_bash_completes_names_that_exist"),
    Words(41, "a typo", "gte cronjobs", ("Did you mean get?",), 2),
    Elsewhere(
        42, "a pipe to head", "integration/cli/test_cli.py::test_who_reads_only_the_start_gets_no_traceback"
    ),
    Words(43, "what happened", "audit", ("suspend",)),
    Words(44, "the doctor", "doctor", ("ok",)),
    Elsewhere(45, "manifests with mistakes", "integration/cli/test_cli.py::test_what_was_applied_stays"),
    Words(46, "do two schedules fit", "schedule check --cronjob @daily --backup @daily", ("conflict",), 1),
    Words(47, "times of a zone", "get runs --zone Europe/Berlin", ("+01:00",)),
    Elsewhere(48, "stop my own run", "integration/cli/test_cli.py::test_a_run_is_cancelled"),
)


def test_there_are_48_tasks_and_each_is_done_somewhere() -> None:
    assert [step.number for step in TOUR] == list(range(1, 49))
    for step in TOUR:
        if isinstance(step, Elsewhere):
            file, _, name = step.test.partition("::")
            assert f"def {name}" in (TESTS / file).read_text(), step


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("tour") / "demo")
    running.read_announcement()
    asyncio.run(wait_until_busy(running))
    yield running
    running.close()


async def wait_until_busy(demo: Demo) -> None:
    """Wait until the demo has two failures, their alert, and two snapshots of the shop."""
    async with demo.client() as client:
        for _ in range(2):
            for name in ("always-fails", "shop-db-dump"):
                await client.cronjobs.trigger(NAMESPACE, name)
        await eventually(
            lambda: client.runs.list(filter="status:failed name:always-fails"),
            lambda page: len(page.items) > 1,
        )
        await eventually(
            lambda: client.backups.list(filter="status:succeeded name:shop-db-dump"),
            lambda page: len(page.items) > 1,
        )
        await eventually(lambda: client.alerts.list(filter="status:open"), lambda page: bool(page.items))


@pytest.mark.torture
@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_each_task_says_what_it_must_in_no_more_keys(
    demo: Demo, size: tuple[int, int], tmp_path: Path
) -> None:
    socket = Path(demo.announcement["socket"])
    tmux = await asyncio.to_thread(Tmux, socket, tmp_path, *size)
    try:
        await tmux.see("live", "always-fails")
        for step in TOUR:
            if isinstance(step, Keys):
                await press_and_see(tmux, step)
            elif isinstance(step, Words):
                await call_and_see(socket, step)
    finally:
        await asyncio.to_thread(tmux.close)


async def press_and_see(tmux: Tmux, step: Keys) -> None:
    before = tmux.keys
    try:
        for name, text, gone, character in re.findall(KEYS, step.keys):
            if text:
                await tmux.see(text)
            elif gone:
                await wait_until_gone(tmux, gone)
            elif name:
                await tmux.press(name)
            else:
                await tmux.type(character)
        await tmux.see(*step.says)
    except AssertionError as fault:
        raise AssertionError(f"task {step.number}, {step.task}: {fault}") from fault
    assert tmux.keys - before <= step.most, step


async def wait_until_gone(tmux: Tmux, text: str) -> None:
    await eventually(lambda: asyncio.to_thread(tmux.screen), lambda screen: text not in screen)


async def call_and_see(socket: Path, step: Words) -> None:
    argv = [sys.executable, "-m", "kronkeep_tui", "--socket", str(socket), *step.argv.split()]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == step.code, (step, output)
    assert [words for words in step.says if words not in output] == [], (step, output)

"""A newcomer's tour: 48 tasks at 80x24 and 200x50 in tmux, with a real demo; keys are counted.

Each task has what is pressed or called, what must then be said, and the keys that it took when a newcomer
first made the tour by hand: more than those fail. Tasks that need something broken, or thousands of lines,
are done by the tests that they name.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.e2e.demo_process import Demo
from tests.e2e.tmux import Tmux
from tests.waiting import eventually

from kronkeep_daemon.demo import NAMESPACE
from kronkeep_tui.widgets.message_line import REST_SECONDS

TESTS = Path(__file__).parents[1]
KEYS = re.compile(r"<([^>]+)>|\[(\[?[^\]]+)\]|\{([^}]+)\}|\(([^)]+)\)|(.)")
REASON = "the price list is not where"


class Keys(NamedTuple):
    """A task at the terminal: `keys` are typed, those in <> by their names in tmux; `most` is their number.

    [text] waits for a text, {text} until it is gone: with the next key at once escape would be an alt key.
    (text) waits until a question could be read. `leave` are the keys that leave what the task before opened.
    """

    number: int
    task: str
    keys: str
    says: tuple[str, ...]
    most: int
    leave: str = ""


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
    Keys(1, "which job failed, why", "", ("always-fails", "ended with exit code"), 0),
    Keys(2, "its log", "2l", (REASON,), 2),
    Keys(3, "search in its log", "/price<Enter>", ("with 'price'",), 7),
    Keys(4, "run it again", "t(y/n)y", ("Started default/always-fails",), 2),
    Keys(5, "the backup of a run", ":job shop-db-dump<Enter>[STARTED]<Enter>", ("backup", "snapshot"), 19),
    Keys(6, "browse a snapshot", "5[SNAPSHOT]<Enter>[shop-dumps/]<Enter>", ("shop.sql",), 4),
    Keys(7, "save one file", "d[to: ]<Enter>", ("Saved",), 2),
    Keys(
        8,
        "restore to a new claim",
        "5[SNAPSHOT]r[1 new]tour-SIZE[default/tour-SIZE]<C-s>(y/n)y",
        ("completed", "tour-SIZE"),
        24,
    ),
    Keys(9, "a new CronJob by the form", "2[LAST]n", ("[CronJob]", "every day at 02:00"), 2),
    Keys(10, "a fault is marked before one comes to it", "Bad Name", ("CronJob!",), 8),
    Keys(11, "edit", "e", ("edit ", "[CronJob]"), 1, leave="<Escape>{new CronJob}"),
    Elsewhere(12, "YAML in $EDITOR", "e2e/test_terminal.py::test_a_whole_session"),
    Keys(
        13,
        "suspend and resume",
        "s(y/n)y[u undoes it]u",
        ("Undone: default/always-fails",),
        4,
        leave="<Escape>{edit default}",
    ),
    Keys(14, "a new storage", "6[CHECKED]n", ("[local]", "/var/backups/"), 2),
    Elsewhere(15, "s3 with a wrong key", "e2e/storages/test_servers.py::"),
    Elsewhere(16, "an address that does not answer", "e2e/test_storage_address.py::"),
    Keys(17, "what retention would remove", "4[RPO]R", ("TO REMOVE",), 2, leave="<Escape>{new storage}"),
    Keys(
        18,
        "set the RPO",
        "e[enabled]2h",
        ("RPO             2h",),
        11,
        leave="<Escape>{TO REMOVE}",
    ),
    Keys(19, "a drill", "5[SNAPSHOT]d(y/n)y", ("Drilling",), 3, leave="<Escape>{[Backup]}"),
    Keys(20, "acknowledge an alert", "7[WHAT TO DO]a", ("Acknowledged",), 2),
    Keys(21, "filter", "3[STARTED]/status:failed<Enter>", ("filter: status:failed",), 16, leave="u[Undone]"),
    Keys(22, "sort", "Sd", ("sort: ",), 2),
    Keys(
        23,
        "mark and act",
        "<Space><Space>s(y/n)y",
        ("Suspended 2 of them",),
        4,
        leave="<Escape>{filter: }2[LAST]",
    ),
    Keys(
        24,
        "compare two runs",
        "<Space><Space>=",
        ("compare",),
        3,
        leave="u[Undone]<Escape>{marked}3[STARTED]",
    ),
    Keys(25, "history", "h", ("DAYS",), 1, leave="2[LAST]"),
    Keys(26, "help", "?", ("Keys in",), 1, leave="<Escape>{DAYS}"),
    Keys(27, "search all actions", "<C-p>", ("WHY NOT",), 1, leave="<Escape>{Keys in}"),
    Keys(28, "a command", ":storages<Enter>", ("Storages",), 10, leave="<Escape>{WHY NOT}"),
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
    Words(43, "what happened", "audit", ("suspend", "restore")),
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
                await press_and_see(tmux, of_size(step, size))
            elif isinstance(step, Words):
                await call_and_see(socket, step)
    finally:
        await asyncio.to_thread(tmux.close)


def of_size(step: Keys, size: tuple[int, int]) -> Keys:
    """Return a task whose names are those of one size, as both are done in one demo."""
    columns = str(size[0])
    says = tuple(text.replace("SIZE", columns) for text in step.says)
    return step._replace(keys=step.keys.replace("SIZE", columns), says=says)


async def press_and_see(tmux: Tmux, step: Keys) -> None:
    try:
        await send(tmux, step.leave)
        before = tmux.keys
        await send(tmux, step.keys)
        await tmux.see(*step.says)
    except AssertionError as fault:
        raise AssertionError(f"task {step.number}, {step.task}: {fault}") from fault
    assert tmux.keys - before <= step.most, step


async def send(tmux: Tmux, keys: str) -> None:
    for name, text, gone, question, character in re.findall(KEYS, keys):
        if text:
            await tmux.see(text)
        elif gone:
            await wait_until_gone(tmux, gone)
        elif question:
            await tmux.see(question)
            await asyncio.sleep(REST_SECONDS)
        elif name:
            await tmux.press(name)
        else:
            await tmux.type(character)


async def wait_until_gone(tmux: Tmux, text: str) -> None:
    await eventually(lambda: asyncio.to_thread(tmux.screen), lambda screen: text not in screen)


async def call_and_see(socket: Path, step: Words) -> None:
    argv = [sys.executable, "-m", "kronkeep_tui", "--socket", str(socket), *step.argv.split()]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == step.code, (step, output)
    assert [words for words in step.says if words not in output] == [], (step, output)

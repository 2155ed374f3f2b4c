"""In the terminal, too, a word or key that means nothing says so, and the hidden says how it comes back."""

import msgspec
import pytest
from tests.ui.canned import CannedClient, FixedClock, cronjob
from tests.ui.driving import app_of, running_app, screen, shown_view, type_line, until
from tests.ui.scenes import busy

from kronkeep_common.models import CronJob
from kronkeep_common.states import ExecutionStatus
from kronkeep_tui.views.palette import PaletteView


def several() -> list[CronJob]:
    """CronJobs in two namespaces: task-2 and task-11 of default, and one that fails and is suspended."""
    states = (ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED)
    return [
        msgspec.structs.replace(cronjob("task-2"), id="j2", namespace="default", recent=states[:1]),
        msgspec.structs.replace(cronjob("task-11"), id="j11", namespace="default", recent=states[:1]),
        msgspec.structs.replace(cronjob("zeta"), id="z", namespace="pay", recent=states, suspended=True),
    ]


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("filter status:fialed", "Did you mean failed?"),
        ("filter ns:defualt", "Did you mean default?"),
        ("filter severity:critical", "A cronjob has no 'severity'."),
        ("triger task-2", "There is no command 'triger'. Did you mean :trigger?"),
        ("job task2", "There is no CronJob 'task2'. Did you mean task-2?"),
        ("trigger task12", "Did you mean task-"),
        ("theme drak", "Did you mean dark?"),
    ],
)
async def test_a_word_that_means_nothing(line: str, refusal: str) -> None:
    async with app_of(CannedClient(several(), [])).run_test(size=(160, 30)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, line)
        await until(pilot, lambda: refusal in screen(pilot))


async def test_what_a_namespace_hides_is_counted_and_comes_back_as_the_text_says() -> None:
    async with app_of(CannedClient(several(), [])).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "3 jobs  1 FAIL" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, "ns default")
        await until(pilot, lambda: "2 of 3 jobs" in screen(pilot) and "FAIL" not in screen(pilot))
        await pilot.press("z")
        await until(pilot, lambda: "0 leaves the namespace default." in screen(pilot))
        await pilot.press("escape", "0")
        await until(pilot, lambda: "zeta" in screen(pilot))


async def test_failures_come_first_and_numbers_are_counted() -> None:
    async with app_of(CannedClient(several(), [])).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))

        names = ("zeta", "task-2 ", "task-11")
        rows = screen(pilot).splitlines()[4:7]
        assert [name for row in rows for name in names if name in row[:60]] == list(names)
        await pilot.press("S", "a")
        await until(pilot, lambda: "sort: name" in screen(pilot))
        await pilot.press("S", "a")
        await until(pilot, lambda: "sort: name, reversed" in screen(pilot))
        await pilot.press("S", "q")
        await until(pilot, lambda: "That is no order: nothing was changed." in screen(pilot))
        assert "sort: name, reversed" in screen(pilot)


async def test_the_sort_prompt_fits_a_small_screen() -> None:
    async with app_of(CannedClient(several(), [])).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))
        await pilot.press("S")
        await until(pilot, lambda: "-:as at first" in screen(pilot).replace("\n", " ").replace("  ", " "))


async def test_the_palette_has_the_actions_of_every_view() -> None:
    async with app_of(CannedClient(*busy()), start="runs").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await pilot.press("ctrl+p", *"susp")
        await until(pilot, lambda: "suspend/resume" in screen(pilot) and "for Jobs" in screen(pilot))
        await pilot.press(*"zzz")
        await until(pilot, lambda: "Nothing matches." in screen(pilot))
        await pilot.press("ctrl+u", *"restore")
        await until(pilot, lambda: "restores and drills" in screen(pilot))
        keys = {entry.label: entry.key for entry in shown_view(pilot, PaletteView)._records}
        assert (keys["restore"], keys["restores and drills"], keys["begin the restore"]) == (
            "r",
            "R",
            "ctrl+s",
        )


@pytest.mark.parametrize(
    ("start", "key", "words"),
    [
        ("runs", "E", "edit as YAML in $EDITOR in Jobs"),
        ("policies", "h", "history in Jobs, Runs, a run"),
        ("policies", "W", "W does nothing here"),
        ("restore", "x", "stop in Runs, a run, a restore; delete in Jobs, Storages"),
        ("overview", "f12", "f12 does nothing here"),
        ("jobs", "ctrl+g", "ctrl+g does nothing here"),
        ("runs", "comma", "comma does nothing here"),
    ],
)
async def test_a_key_that_means_nothing_says_so(start: str, key: str, words: str) -> None:
    async with app_of(CannedClient(*busy()), start=start).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: running_app(pilot).reader.has_read)
        await pilot.press(key)
        await until(pilot, lambda: words in screen(pilot))


async def test_a_message_of_several_lines_is_drawn_once_above_the_keys() -> None:
    async with app_of(CannedClient(*busy()), start="restore").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "SNAPSHOT" in screen(pilot) and ">ok" in screen(pilot))
        await pilot.press("colon")
        await type_line(pilot, "trigger a-name-that-is-too-long-for-one-line-and-none-of-those-that-are-here")
        await until(pilot, lambda: "tab completes names." in screen(pilot))
        lines = screen(pilot).splitlines()
        assert len(lines) == 24
        assert lines[-1].strip().startswith("enter open")
        assert screen(pilot).count("tab completes names.") == 1


@pytest.mark.parametrize("width", [80, 40])
async def test_a_name_is_typed_on_a_line_of_its_own(width: int) -> None:
    async with app_of(CannedClient(*busy())).run_test(size=(width, 24)) as pilot:
        await until(pilot, lambda: "pg-main-nightly" in screen(pilot))
        await pilot.press("x", *"pg")
        await until(pilot, lambda: screen(pilot).splitlines()[-2].startswith(" > pg_"))
        question = " ".join(line.strip() for line in screen(pilot).splitlines()[-7:-2])
        assert "Type pg-ledger and enter:" in question


async def test_a_filter_is_completed_with_keys_values_and_counts() -> None:
    async with app_of(CannedClient(several(), [])).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))
        await pilot.press("slash", "s", "t", "a")
        await until(pilot, lambda: "status:" in screen(pilot))
        await pilot.press("tab", "s", "u")
        await until(pilot, lambda: "status:succeeded 2  status:suspended 1" in screen(pilot))
        await pilot.press("s", "tab", "enter")
        await until(pilot, lambda: "filter: status:suspended" in screen(pilot))
        assert "task-2" not in screen(pilot)
        await pilot.press("slash", "space", "n", "s", "colon", "p", "tab", "enter")
        await until(pilot, lambda: "filter: status:suspended ns:pay" in screen(pilot))


@pytest.mark.parametrize(
    ("opening", "refused", "correction", "accepted"),
    [
        ("/", "status:faild ns:pay", ("backspace", "e", "d"), "filter: status:failed ns:pay"),
        ("/", "ns:pay status:", ("ctrl+w",), "filter: ns:pay"),
        (":", "sort nmae", ("ctrl+w", *"name"), "sort: name"),
        (":", "triger", ("home", "ctrl+k", *"sort name"), "sort: name"),
        (":", "filter nmae:zeta", ("ctrl+w", *"zeta"), "filter: zeta"),
    ],
)
async def test_what_was_refused_stays_open_for_correction(
    opening: str, refused: str, correction: tuple[str, ...], accepted: str
) -> None:
    client = CannedClient(several(), [])
    async with app_of(client).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))
        await type_line(pilot, opening + refused)
        # What one types next is text, not keys: here `t` and `y`, which start a job.
        await type_line(pilot, "ty")
        assert client.asked == []
        await pilot.press("backspace", "backspace", *correction, "enter")
        await until(pilot, lambda: accepted in screen(pilot))


async def test_a_command_that_is_refused_in_another_view_is_asked_again() -> None:
    client = CannedClient(several(), [])
    async with app_of(client, start="overview").run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))
        await type_line(pilot, ":trigger zet")
        await until(pilot, lambda: "Did you mean zeta?" in screen(pilot) and ":trigger zet_" in screen(pilot))
        await pilot.press("a", "enter")
        await until(pilot, lambda: "Run now pay/zeta? y/n" in screen(pilot))


async def test_a_key_from_before_a_question_does_not_answer_it() -> None:
    clock = FixedClock()
    client = CannedClient(several(), [])
    async with app_of(client, clock=clock).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "task-11" in screen(pilot))
        clock.monotonic = lambda: 7.0  # type: ignore[method-assign]
        await pilot.press("t", "y", "p")
        await until(pilot, lambda: "answer it now" in screen(pilot) and "Run now" in screen(pilot))
        assert client.asked == []
        clock.monotonic = lambda: 7.4  # type: ignore[method-assign]
        await pilot.press("y")
        await until(pilot, lambda: [name for name, *_ in client.asked] == ["trigger"])

"""The registry of actions: every key leads somewhere, once; what is generated from it is not stale."""

from pathlib import Path

import pytest

from kronkeep_tui.actions import ACTIONS, BY_NAME, Action, handler_names
from kronkeep_tui.form.form_rows import FormRow
from kronkeep_tui.form.section_rail import rail_of_rows
from kronkeep_tui.frame import Frame
from kronkeep_tui.key_reference import reference_page
from kronkeep_tui.keymap import Keymap, find_faults
from kronkeep_tui.prompt import LinePrompt, YesNoPrompt, ignore_text, name_prompt
from kronkeep_tui.views.registry import KINDS, view_class


def test_every_action_is_done_by_each_view_that_holds_it_or_by_the_frame() -> None:
    for kind in KINDS:
        names = handler_names(view_class(kind)).keys() | handler_names(Frame).keys()
        for action, _ in Keymap().bindings_in(view_class(kind).SCOPES):
            assert action.tab or action.name in names, (kind, action)


def test_every_handler_of_a_view_is_reached_by_an_action_of_its_scopes() -> None:
    for kind in KINDS:
        members = vars(view_class(kind))
        own = {name for name, method in handler_names(view_class(kind)).items() if method in members}
        held = {action.name for action, _ in Keymap().bindings_in(view_class(kind).SCOPES)}
        assert own <= held, kind


def test_names_are_unique_and_no_scope_has_a_key_twice() -> None:
    assert len(BY_NAME) == len(ACTIONS)
    assert find_faults({}) == []


def test_the_key_reference_lists_the_registry() -> None:
    page = (Path(__file__).parents[3] / "tui/KEYS.md").read_text()
    assert page == reference_page(), "run make reference"


def test_a_key_of_a_narrower_scope_goes_before() -> None:
    keymap = Keymap()
    older = keymap.action_for(("run", "log", "any"), "left_square_bracket")
    assert older is not None
    assert older.name == "older"
    wide = keymap.action_for(("jobs", "table", "any"), "w")
    wrap = keymap.action_for(("run", "log", "any"), "w")
    assert wide is not None
    assert wrap is not None
    assert (wide.name, wrap.name) == ("wide", "wrap")


def test_in_a_form_characters_are_text() -> None:
    keymap = Keymap()
    for key in ("q", "1", "colon", "question_mark", "slash", "minus"):
        assert keymap.action_for(("jobs", "table", "any"), key) is not None
        assert keymap.action_for(("form", "any"), key) is None
    hints = dict(keymap.hints(("form", "any"), lambda _: ""))
    assert hints["f1"] == "help"
    assert not {"?", ":", "q"} & hints.keys()


def test_keys_from_the_settings_replace_the_built_in_ones() -> None:
    keymap = Keymap({"trigger": ("ctrl+t",)})
    assert keymap.action_for(("jobs", "table", "any"), "t") is None
    trigger = keymap.action_for(("jobs", "table", "any"), "ctrl+t")
    assert trigger is not None
    assert trigger.name == "trigger"
    assert find_faults({"trigger": ("s",)}) == ["s is both trigger and suspend in jobs."]
    assert find_faults({"fly": ("f",)}) == ["There is no action fly."]


def test_read_only_hints_leave_out_changes() -> None:

    def refusal(action: Action) -> str:
        return "Read-only." if action.changes else ""

    words = [words for _, words in Keymap().hints(("jobs", "table", "any"), refusal)]
    assert "run now" not in words
    assert "open" in words


@pytest.mark.parametrize(
    ("keys", "done"), [("y", True), ("n", False), ("enter", False), ("escape", False), ("Y", True)]
)
def test_a_question_is_answered_by_one_key(keys: str, done: bool) -> None:
    asked: list[bool] = []
    prompt = YesNoPrompt("Run?", lambda: asked.append(True))
    assert prompt.press(keys, keys if len(keys) == 1 else None)
    assert bool(asked) is done


def test_a_name_must_be_typed_whole() -> None:
    asked: list[bool] = []
    prompt = name_prompt("Delete?", "pg-main", lambda: asked.append(True))
    for typed, done in (("pg", False), ("pg-main", True)):
        for letter in typed:
            assert not prompt.press("minus" if letter == "-" else letter, letter)
        assert prompt.press("enter", "\r") is done
        assert bool(asked) is done
        assert ("That does not match; nothing was done." in prompt.question) is not done


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ([("n", "n"), ("s", "s")], "ns"),
        ([("space", " "), ("n", "n")], "name:shop n"),
        ([("end", None), ("s", "s")], "name:shops"),
        ([("backspace", "\x7f"), ("s", "s")], "name:shos"),
    ],
)
def test_a_filter_that_is_set_is_replaced_by_what_is_typed_or_edited(
    keys: list[tuple[str, str | None]], text: str
) -> None:
    prompt = LinePrompt("/", ignore_text, text="name:shop", is_filter=True)
    assert "typing replaces it" in prompt.question
    for key, character in keys:
        prompt.press(key, character)
    assert prompt.text == text
    assert "typing replaces it" not in prompt.question
    pasted = LinePrompt("/", ignore_text, text="name:shop", is_filter=True)
    pasted.paste("late")
    assert pasted.text == "late"


@pytest.mark.parametrize("key", ["trade_mark_sign", "alt+q"])
def test_escape_directly_before_a_key_is_named_as_alt(key: str) -> None:
    words = Keymap().explain(key)
    assert words.startswith("alt+2" if key == "trade_mark_sign" else "alt+q")
    assert "esc directly before it is read as alt" in words


def test_titles_of_sections_move_together_before_they_are_cut() -> None:
    titles = ("CronJob", "Running", "Backup", "Archive", "Keep", "Copies", "Hooks", "Drill")
    rows = [row for title in titles for row in (FormRow(key="", label=title), FormRow(key=title, label=""))]
    wide = "".join(words for words, _ in rail_of_rows(rows, "Backup", 80))
    narrow = "".join(words for words, _ in rail_of_rows(rows, "Backup", 58))
    assert " Running [Backup] Archive " in wide
    assert narrow.rstrip() == "CronJob Running [Backup] Archive Keep Copies Hooks Drill"
    assert len(rail_of_rows(rows, "Backup", 58)) == len(titles), "each can be clicked"


def test_a_prompt_is_edited_completed_and_remembers() -> None:
    got: list[str] = []
    prompt = LinePrompt(":", got.append, complete=lambda text: [f"{text}bs"], history=["runs", "jobs failed"])
    for key, character in (("j", "j"), ("o", "o"), ("tab", "\t")):
        prompt.press(key, character)
    assert prompt.text == "jobs"
    prompt.press("up", None)
    assert prompt.text == "jobs failed"
    prompt.press("ctrl+w", None)
    assert prompt.text == "jobs "
    prompt.press("ctrl+u", None)
    prompt.paste("overview\nrm -rf /")
    assert prompt.press("enter", "\r")
    assert got == ["overview"]

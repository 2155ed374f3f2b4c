"""The registry of actions: every key leads somewhere, once; what is generated from it is not stale."""

from pathlib import Path

import pytest

from kronkeep_tui import views
from kronkeep_tui.actions import ACTIONS, BY_NAME, Keymap, faults
from kronkeep_tui.frame import Frame
from kronkeep_tui.key_reference import reference_page
from kronkeep_tui.prompt import Prompt, confirm


def test_every_action_is_done_by_each_view_that_holds_it_or_by_the_frame() -> None:
    for name in views.KINDS:
        view = views.kind(name)
        for action in Keymap().held(view.SCOPES):
            if not action.name.startswith("view-"):
                assert hasattr(view, f"do_{action.name}") or hasattr(Frame, f"do_{action.name}"), (
                    name,
                    action,
                )


def test_names_are_unique_and_no_scope_has_a_key_twice() -> None:
    assert len(BY_NAME) == len(ACTIONS)
    assert faults({}) == []


def test_the_key_reference_lists_the_registry() -> None:
    page = (Path(__file__).parents[3] / "tui/KEYS.md").read_text()
    assert page == reference_page(), "run make reference"


def test_a_key_of_a_narrower_scope_goes_before() -> None:
    keymap = Keymap()
    found = keymap.at(("run", "log", "any"), "left_square_bracket")
    assert found is not None
    assert found.name == "older"
    wide = keymap.at(("jobs", "table", "any"), "w")
    wrap = keymap.at(("run", "log", "any"), "w")
    assert wide is not None
    assert wrap is not None
    assert (wide.name, wrap.name) == ("wide", "wrap")


def test_in_a_form_characters_are_text() -> None:
    keymap = Keymap()
    for key in ("q", "1", "colon", "question_mark", "slash", "minus"):
        assert keymap.at(("jobs", "table", "any"), key) is not None
        assert keymap.at(("form", "any"), key) is None
    hints = dict(keymap.hints(("form", "any"), lambda _: ""))
    assert hints["f1"] == "help"
    assert not {"?", ":", "q"} & hints.keys()


def test_keys_from_the_settings_replace_the_built_in_ones() -> None:
    keymap = Keymap({"trigger": ("ctrl+t",)})
    assert keymap.at(("jobs", "table", "any"), "t") is None
    found = keymap.at(("jobs", "table", "any"), "ctrl+t")
    assert found is not None
    assert found.name == "trigger"
    assert faults({"trigger": ("s",)}) == ["s is both trigger and suspend in jobs."]
    assert faults({"fly": ("f",)}) == ["There is no action fly."]


def test_read_only_hints_leave_out_changes() -> None:
    refusal = lambda action: "Read-only." if action.changes else ""  # noqa: E731
    words = [words for _, words in Keymap().hints(("jobs", "table", "any"), refusal)]
    assert "run now" not in words
    assert "open" in words


@pytest.mark.parametrize(
    ("keys", "done"), [("y", True), ("n", False), ("enter", False), ("escape", False), ("Y", True)]
)
def test_a_question_is_answered_by_one_key(keys: str, done: bool) -> None:
    asked: list[bool] = []
    prompt = confirm("Run?", "y", lambda: asked.append(True))
    assert prompt.press(keys, keys if len(keys) == 1 else None)
    assert bool(asked) is done


def test_a_name_must_be_typed_whole() -> None:
    asked: list[bool] = []
    for typed, done in (("pg", False), ("pg-main", True)):
        prompt = confirm("Delete?", "pg-main", lambda: asked.append(True))
        for letter in typed:
            assert not prompt.press("minus" if letter == "-" else letter, letter)
        assert prompt.press("enter", "\r")
        assert bool(asked) is done
        assert bool(prompt.refusal) is not done


def test_a_prompt_is_edited_completed_and_remembers() -> None:
    got: list[str] = []
    prompt = Prompt(
        lead=":", accept=got.append, complete=lambda text: [f"{text}bs"], past=["runs", "jobs failed"]
    )
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

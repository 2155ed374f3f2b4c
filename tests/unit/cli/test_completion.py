"""What a shell is offered: verbs, options, kinds, values; nothing that a shell would expand."""

from pathlib import Path

import pytest

from kronkeep_tui.cli.completion_words import LiveNames, find_words
from kronkeep_tui.cli.main import main

NOBODY = Path("/nonexistent/api.sock")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("tri", "trigger"),
        ("get ex", "executions"),
        ("get executions --fil", "--filter"),
        ("get executions --filter stat", "status:"),
        ("get executions --filter status:fa", "status:failed"),
        ("get alerts --filter severity:", "severity:critical"),
        ("get runs -o js", "jsonl"),
        ("storage cr", "create"),
        ("storage create s3 --end", "--endpoint"),
        ("completion ba", "bash"),
        ("--socket /tmp/x.sock desc", "describe"),
    ],
)
def test_what_may_follow(line: str, word: str) -> None:
    assert word in find_words(line.split(" "), NOBODY)


@pytest.mark.parametrize("line", ["suspend de", "logs abc", "nothing at all", "get executions --limit 1", ""])
def test_where_nobody_answers_or_nothing_fits_there_is_nothing_wrong(line: str) -> None:
    words = find_words(line.split(" "), NOBODY)
    assert words == [] or line == ""


def test_bash_splits_words_at_colons_and_gets_what_follows_the_last() -> None:
    words = ["get", "executions", "--filter", "status", ":", "fa"]
    assert find_words(words, NOBODY) == ["failed"]
    assert "running" in find_words([*words[:5], ""], NOBODY)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("adopt shop/db --policy ", "orphans"),
        ("retention shop/db --policy ", "orphans"),
        ("retention shop/db --copy ", "storages"),
        ("copy abcd --to ", "storages"),
        ("drill db --from-copy ", "storages"),
        ("storage change vault --deny-namespace ", "namespaces"),
        ("describe restore ", "restores"),
        ("describe copy ", "copies"),
        ("get maintenance ", "maintenance"),
        ("maintenance end ", "maintenance"),
        ("diff ", "backups"),
        ("diff abcd ", "backups"),
        ("logs ", "executions"),
        ("logs --restore ", "restores"),
        ("cancel --copy ", "copies"),
        ("restorable ", "cronjobs"),
        ("download abcd /f --to ", ""),
        ("create db --image ", ""),
    ],
)
def test_live_names_are_of_the_kind_that_is_asked_for(
    line: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name_kind(_names: LiveNames, asked: str) -> list[str]:
        return [asked]

    monkeypatch.setattr(LiveNames, "of_kind", name_kind)
    assert find_words(line.split(" "), NOBODY) == ([kind] if kind else [])


def test_an_option_is_offered_once_its_beginning_is_typed() -> None:
    assert "--follow" in find_words(["trigger", "--fol"], NOBODY)
    assert "--follow" not in find_words(["trigger", ""], NOBODY)


def test_a_word_that_is_not_begun_yet_may_be_completed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", str(NOBODY), "completion", "words", "storage", ""]) == 0
    assert "retry" in capsys.readouterr().out.split()

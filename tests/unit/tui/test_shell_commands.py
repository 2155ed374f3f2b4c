"""Lines for a shell: the words are those of the command line, the paths those of the API."""

import json
import re
import shlex
from pathlib import Path

import pytest

from kronkeep_tui.cli.main import build_parser
from kronkeep_tui.shell_commands import (
    ScreenFacts,
    ShellCommand,
    decode,
    encode,
    lines_of_change,
    lines_of_screen,
)

ROUTES = json.loads((Path(__file__).parents[3] / "tui/kronkeep_tui/cli/routes.json").read_text())
SCREENS = [
    *(
        ScreenFacts(kind)
        for kind in ("overview", "jobs", "policies", "restore", "restores", "storages", "alerts")
    ),
    ScreenFacts("runs", filter_text="status:failed age:<1h", namespace="pay"),
    ScreenFacts("run", argument="0a1b"),
    ScreenFacts("files", argument="b1 /source/it's here"),
]


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.kind)
def test_each_line_is_one_that_is_understood(screen: ScreenFacts) -> None:
    lines = lines_of_screen(screen)
    assert {line.program for line in lines} >= {"kronkeep", "curl"}
    for line in lines:
        words = shlex.split(line.line)
        if line.program == "kronkeep":
            build_parser().parse_args(words[1:])
        if line.program == "curl":
            path = re.search(r"http://localhost(/v1/[^ ']*)", line.line)
            assert path is not None
            pattern = re.sub(r"/(0a1b|b1)", "/{id}", path[1])
            assert f"GET {pattern}" in ROUTES, pattern
    assert decode(encode(lines)) == lines


def test_a_filter_stays_one_word() -> None:
    lines = lines_of_screen(SCREENS[-3])
    assert shlex.split(lines[0].line)[-1] == "status:failed age:<1h ns:pay"
    assert "--data-urlencode 'filter=status:failed age:<1h ns:pay'" in lines[1].line
    assert lines[2].line == "kubectl get jobs -n pay"


def test_a_change_is_the_same_in_three_programs() -> None:
    lines = lines_of_change(("suspend", "pay/a"), "/v1/cronjobs/pay/a/suspend", ("-n", "pay", "get", "cj"))
    assert [line.program for line in lines] == ["kronkeep", "curl", "kubectl"]
    assert lines[0] == ShellCommand("the last change", "kronkeep", "kronkeep suspend pay/a")
    assert "-X POST" in lines[1].line

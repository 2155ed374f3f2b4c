"""Every command line of README and docs has verbs and options that there are."""

import pytest
from tests.manual_lines import read_manual_lines

from kronkeep_tui.cli import main
from kronkeep_tui.cli.main import build_parser


def test_every_line_can_be_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = list(read_manual_lines())
    assert len(lines) > 80
    parser = build_parser()
    refused = []
    for line in lines:
        words, _ = main._split_command(main._join_values(line.words))
        try:
            parser.parse_args(words)
        except SystemExit:
            refused.append(f"{line.place}: {' '.join(words)}: {capsys.readouterr().err.splitlines()[-1]}")
    assert refused == []

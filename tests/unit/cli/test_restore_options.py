"""`kronkeep restore`: what says where another claim is says nothing of a restore in place."""

import pytest

from kronkeep_common.models import RestoreTarget
from kronkeep_tui.cli import main, snapshot_verbs
from kronkeep_tui.cli.main import EXIT_INPUT, build_parser


@pytest.mark.parametrize(
    "option", ["-n other", "--cluster staging", "--folder new", "--size 1Gi", "--storage-class fast"]
)
def test_a_place_is_refused_of_a_restore_in_place(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["restore", "db", "--in-place", "--overwrite", "--yes", "db", *option.split()]
    assert main.main(["--socket", "/nowhere/api.sock", *words]) == EXIT_INPUT
    assert "--in-place restores to the claims that were archived" in capsys.readouterr().err


def test_the_cluster_of_a_claim_is_not_that_of_the_client() -> None:
    words = ["restore", "shop/db", "--new-claim", "copy", "--cluster", "staging"]
    options = build_parser("restore").parse_args(words)
    assert snapshot_verbs._request_of(options).target == RestoreTarget(
        kind="new-claim", cluster="staging", claim="copy", path=""
    )
    assert getattr(options, "cluster", None) is None

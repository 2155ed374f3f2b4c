"""A namespace that is probably misspelt is a warning of the storage that is to serve it."""

import pytest

from kronkeep_daemon.storages.namespace_checks import find_warnings


@pytest.mark.parametrize(
    ("known", "named"),
    [
        ({"shop", "web"}, [("shpo", "shop")]),
        ({"shop", "web", "shpo"}, []),
        ({"production"}, []),  # a namespace may get its first CronJob later
        (set(), []),
    ],
)
def test_a_misspelt_namespace_is_named(known: set[str], named: list[tuple[str, str]]) -> None:
    warnings = find_warnings(known, ("shop", "shpo", "*", "shpo"))
    assert warnings == tuple(
        f"No CronJob is in the namespace {name} yet. Did you mean {near}?" for name, near in named
    )

"""Each verb that shows or changes a record has `-o json`, and none describes what it does not do."""

import argparse
from collections.abc import Iterator

from kronkeep_tui.cli.main import build_parser

# What these print is a program, a page, a manifest, bytes or a report of their own.
WITHOUT = {
    "completion",
    "demo",
    "download",
    "edit",
    "help",
    "import borgmatic",
    "import k8up",
    "import restic",
    "logs",
    "monitoring dashboard",
    "monitoring rules",
    "terminal",
}


def leaves(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield path, parser
    for action in below:
        for name, verb in action.choices.items():
            yield from leaves(verb, f"{path} {name}".strip())


def test_each_verb_that_shows_or_changes_a_record_has_json() -> None:
    lacking = [
        path
        for path, verb in leaves(build_parser())
        if not any("--output" in action.option_strings for action in verb._actions)
    ]
    assert set(lacking) == WITHOUT


def test_each_verb_that_takes_a_cronjob_s_name_has_a_namespace() -> None:
    lacking = [
        path
        for path, verb in leaves(build_parser())
        if any("NAMESPACE/" in str(action.help) for action in verb._actions if not action.option_strings)
        and not any("--namespace" in action.option_strings for action in verb._actions)
    ]
    assert lacking == []


def test_create_describes_cronjobs_and_files_not_a_storage_of_its_own() -> None:
    create = next(verb for path, verb in leaves(build_parser()) if path == "create")
    assert "Create a storage and its repository" not in (create.description or "")

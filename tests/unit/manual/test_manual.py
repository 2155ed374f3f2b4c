"""The manual pages and the reference say all that argparse, the settings and the policy say."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import msgspec
import pytest

from kronkeep_common.manual.field_docs import model_docs, split_docstring
from kronkeep_common.manual.parser_actions import list_actions, list_commands
from kronkeep_common.models.policy import BackupPolicySpec
from kronkeep_daemon import manual as daemon_manual
from kronkeep_daemon import settings
from kronkeep_tui.cli import manual as command_manual
from kronkeep_tui.cli.failure_texts import FAILURES, WITHOUT_DAEMON
from kronkeep_tui.cli.main import VERB_MODULES, build_parser

ROOT = Path(__file__).parents[3]


@cache
def pages() -> dict[str, str]:
    """Return the text of each page by its name; a quarter of a second, too long for the collection."""
    return {**command_manual.pages(), **daemon_manual.pages()}


def test_every_verb_has_a_page_with_every_option() -> None:
    verbs = {verb for row in VERB_MODULES for verb in row.verbs}
    assert {f"kronkeep-{verb}.1" for verb in verbs} <= set(pages())
    for command in list_commands(build_parser()):
        page = pages()[f"kronkeep-{command.name}.1"].replace(r"\-", "-")
        options = {option for action in list_actions(command.parser) for option in action.option_strings}
        assert {option for option in options if option not in page} == set()
        assert "EXIT STATUS" in page


def test_arguments_stand_before_options_and_exit_codes_are_those_of_the_verb() -> None:
    for command in list_commands(build_parser()):
        page = pages()[f"kronkeep-{command.name}.1"]
        arguments = [action for action in list_actions(command.parser) if not action.option_strings]
        assert (".SH ARGUMENTS" in page) == bool(arguments)
        assert FAILURES.get(command.name, "refused or failed").replace("-", r"\-") in page
        assert ("no daemon answers" in page) == (command.name not in WITHOUT_DAEMON)
    restore = pages()["kronkeep-restore.1"]
    assert restore.index(".SH ARGUMENTS") < restore.index("\nthe backup's id") < restore.index(".SH OPTIONS")
    assert {*FAILURES, *WITHOUT_DAEMON} <= {command.name for command in list_commands(build_parser())}


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_every_page_fits_into_80_columns_and_formats_without_a_warning(tmp_path: Path) -> None:
    for name, text in pages().items():
        (tmp_path / name).write_text(text)
    command = ["groff", "-man", "-Tutf8", "-P-cbou", "-ww", "-rLL=80n", *sorted(pages())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line.strip("─")]  # groff 1.23 parts pages by lines
    assert lines.count("NAME") == len(pages())
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("model", [settings.Settings, BackupPolicySpec])
def test_every_field_says_what_it_means(model: type[msgspec.Struct]) -> None:
    fields = [field for doc in model_docs(model) for field in doc.fields]
    assert [field.path for field in fields if not field.text] == []


def test_the_reference_of_the_settings_is_current() -> None:
    written = (ROOT / "docs/settings.md").read_text()
    assert written == daemon_manual.settings_reference(), "run make reference"


def uncomment_defaults(text: str) -> str:
    """Return a settings file in which every default is set, but those inside lists of tables."""
    shown: list[str] = []
    list_name = "-"
    for line in text.splitlines():
        setting = line.removeprefix("#")
        if setting.startswith("[["):
            list_name = setting.strip("[]")
        elif setting.startswith("[") and not setting.startswith(f"[{list_name}."):
            list_name = "-"
        if list_name == "-" and not line.startswith("# ") and not line.endswith('= ""'):
            shown.append(setting)
    return "\n".join(shown)


def test_the_example_shows_what_the_daemon_does_without_a_file() -> None:
    text = daemon_manual.example_settings()
    clusters = {"default": settings.ClusterSettings(kubeconfig="/etc/kronkeepd/kubeconfig")}
    expected = settings.Settings(clusters=clusters)
    assert settings.parse(text, "example") == expected
    assert settings.parse(uncomment_defaults(text), "defaults") == expected
    assert uncomment_defaults(text).count(" = ") > 30


def test_a_docstring_names_fields_singly_and_together() -> None:
    general, texts = split_docstring("""Say something.

    More of it.

    one: the first
        and on.
    `two`, three: both.
    """)
    assert general == "Say something.\n\nMore of it."
    assert texts == {"one": "the first and on.", "two": "both.", "three": "both."}


def test_what_is_read_at_the_start_is_the_same_in_every_text() -> None:
    configuration = (ROOT / "docs/configuration.md").read_text().partition("takes effect when")[0]
    reference = daemon_manual.settings_reference().partition("are read at the start")[0]
    for name in settings.READ_AT_START:
        assert f"`{name}`" in configuration.rpartition("Everything but")[2]
        assert f"`{name}`" in reference.rpartition("operator can set.")[2]
        assert (
            name
            in daemon_manual.example_settings().partition("at the next start")[0].rpartition("at once")[2]
        )


def test_settings_of_different_meanings_have_texts_of_their_own() -> None:
    rows = [line for line in daemon_manual.settings_reference().splitlines() if line.startswith("| `")]
    texts = {line.split("|")[1].strip(): line.split("|")[-2] for line in rows}
    assert "account" not in texts["`priority_class`"]
    assert "account" in texts["`service_account`"]

"""Commands of the user's own: arguments stay arguments, whatever a name has in it."""

from pathlib import Path
from typing import NamedTuple

import pytest

from kronkeep_common.errors import InvalidRequest, InvalidSettings
from kronkeep_common.socket_path import embedded_kubeconfig, environment_of, shell_line
from kronkeep_tui.key_reference import reference_page
from kronkeep_tui.settings import TerminalSettings, read_settings
from kronkeep_tui.user_commands import UserCommand, build_argv, find_faults


class Row(NamedTuple):
    namespace: str = "pay"
    name: str = "settle"


def command(*run: str, **fields: object) -> UserCommand:
    return UserCommand(**{"key": "ctrl+y", "views": ("jobs",), "run": run, **fields})  # type: ignore[arg-type]


def test_what_is_put_in_is_neither_split_nor_looked_at_again() -> None:
    argv = build_argv(
        command("kubectl", "-n", "{namespace}", "get", "cj/{name}", "{{name}}"),
        Row(name="a b; $(reboot) {namespace}"),
    )
    hostile = "a b; $(reboot) {namespace}"
    assert argv == ["kubectl", "-n", "pay", "get", f"cj/{hostile}", f"{{{hostile}}}"]


@pytest.mark.parametrize("row", [Row(name="--as=admin"), Row(name=""), None])
def test_no_option_and_nothing_empty_is_put_in(row: Row | None) -> None:
    with pytest.raises(InvalidRequest):
        build_argv(command("kubectl", "get", "{name}"), row)


def test_views_and_placeholders_that_there_are_not_are_named() -> None:
    faults = find_faults([command("x", "{nam}", views=("jbs",))], ["jobs"])
    assert ["no view 'jbs'" in faults[0], "no placeholder {nam}" in faults[1]] == [True, True]


def test_settings_with_commands_are_read_and_a_taken_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "terminal.toml"
    text = '[[commands]]\nkey = "ctrl+y"\nviews = ["jobs"]\nrun = ["kubectl", "get", "cj", "{name}"]\n'
    file.write_text(text)
    (read,) = read_settings(file).commands
    assert (read.run, read.changes) == (("kubectl", "get", "cj", "{name}"), True)
    file.write_text(text.replace("ctrl+y", "t"))
    with pytest.raises(InvalidSettings, match="t is both"):
        read_settings(file)
    file.write_text(text.replace("jobs", "jbs"))
    with pytest.raises(InvalidSettings, match="no view 'jbs'"):
        read_settings(file)


def test_the_keys_page_tells_every_setting_of_the_terminal() -> None:
    told = reference_page()
    assert [
        name
        for name in TerminalSettings.__struct_fields__
        if f" {name} =" not in told and f"[{name}]" not in told
    ] == []


def test_programs_of_a_demo_use_its_cluster_and_not_the_user_s_own(tmp_path: Path) -> None:
    socket = tmp_path / "it's a demo" / "api.sock"
    kubeconfig = socket.parent / "cluster" / "kubeconfig"
    assert embedded_kubeconfig(socket) is None
    assert environment_of(shell_line(socket)) == {"KRONKEEP_SOCKET": str(socket)}
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.touch()
    line = shell_line(socket, embedded_kubeconfig(socket))
    assert environment_of(line) == {"KRONKEEP_SOCKET": str(socket), "KUBECONFIG": str(kubeconfig)}

"""The command line against a real daemon: verbs, formats, exit codes, hostile text; some as processes."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import tty
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.cluster_process import run_cluster
from tests.command_line import run_kronkeep, run_process
from tests.daemon_process import Daemon

from kronkeep_tui.cli.output import FORMATS

OSC52 = "\x1b]52;c;aGk=\x07"
HOSTILE = f"{OSC52}\x1b[2J\x9b31m[/]\u202eabc"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon_process = Daemon(tmp_path_factory.mktemp("c") / "s")
    asyncio.run(daemon_process.start())
    yield daemon_process
    asyncio.run(daemon_process.stop())


@pytest.fixture(scope="module")
def good(daemon: Daemon) -> str:
    """A CronJob that says what is hostile to terminals, and succeeds."""
    script = "printf '\\033]52;c;aGk=\\007\\033[2J[/]\\n'; echo end"
    done = run_process(
        daemon, "create", "good", "--image", "busybox", "--schedule", "0 2 29 2 *", "--", "sh", "-c", script
    )
    assert done.returncode == 0, done.stderr
    return "good"


def test_trigger_follows_the_log_and_tells_the_end(daemon: Daemon, good: str) -> None:
    done = run_process(daemon, "trigger", good, "--follow", "--env", "A=b")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nend\n")
    stamped = run_kronkeep(daemon, "logs", done.stdout.split()[0], "--timestamps").stdout
    assert stamped.splitlines()[-1].endswith("Z end")
    assert "succeeded" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_failed_run_is_exit_code_1_with_reason_and_next_step(daemon: Daemon) -> None:
    schedule = ("--image", "busybox", "--schedule", "0 2 29 2 *")
    assert run_kronkeep(daemon, "create", "bad", *schedule, "--", "sh", "-c", "exit 3").returncode == 0
    done = run_kronkeep(daemon, "trigger", "bad", "--wait")
    assert done.returncode == 1
    assert "3" in done.stderr


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("get", "cronjobs", "default/none"), 1, "CronJobNotFound"),
        (("get", "executions", "--filter", "colour:red"), 2, "InvalidFilter"),
        (("get", "cronjobs", "--sort-by", "colour"), 2, "no field"),
        (("trigger", "none"), 1, "CronJobNotFound"),
        (("trigger", "nope"), 1, "List what exists"),
        (("trigger", "goood"), 1, "Did you mean default/good?"),
        (("delete", "good"), 2, "ConfirmationMissing"),
        (("nonsense",), 2, "there is no verb 'nonsense'"),
        (("--host", "http://x", "get", "cronjobs"), 2, "is not a host"),
        (("--host", "ssh://-oProxyCommand=x", "get", "cronjobs"), 2, "is not a host"),
    ],
)
def test_refusals_have_exit_codes_and_reasons(
    daemon: Daemon, good: str, argv: tuple[str, ...], code: int, words: str
) -> None:
    done = run_kronkeep(daemon, *argv)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr


def test_no_daemon_is_exit_code_3(daemon: Daemon, tmp_path: Path) -> None:
    daemonless = Daemon(tmp_path)
    daemonless.announcement = {"socket": str(tmp_path / "none.sock")}
    assert run_process(daemonless, "get", "cronjobs").returncode == 3


def test_formats(daemon: Daemon, good: str) -> None:
    assert run_kronkeep(
        daemon, "get", "cronjobs", "-A", "-o", "name", "--sort-by", "name"
    ).stdout.splitlines()
    wide = run_kronkeep(daemon, "get", "cronjobs", "-o", "wide").stdout
    assert "IMAGE" in wide
    assert "busybox" in wide
    bare = run_kronkeep(daemon, "get", "cronjobs", "--no-headers", "-n", "default").stdout
    assert "NAMESPACE" not in bare
    cronjobs = json.loads(run_kronkeep(daemon, "get", "cronjobs", "-o", "json").stdout)
    assert good in [cronjob["name"] for cronjob in cronjobs]
    one = {form: run_kronkeep(daemon, "get", "cronjobs", good, "-o", form).stdout for form in FORMATS}
    assert one["name"] == f"default/{good}\n"
    assert json.loads(one["jsonl"]) == json.loads(one["json"])
    assert (one["jsonl"].count("\n"), one["wide"].count("\n")) == (1, 2)
    assert one["yaml"] == one["table"], "the whole record"
    runs = run_kronkeep(
        daemon, "get", "executions", "-o", "jsonl", "--sort-by", "-created_at"
    ).stdout.splitlines()
    stamps = [json.loads(line)["created_at"] for line in runs]
    assert stamps == sorted(stamps, reverse=True)


def test_what_was_applied_stays_applied_and_a_bad_file_changes_nothing(
    daemon: Daemon, tmp_path: Path
) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    body = "kind: CronJob\nname: applied\nimage: busybox\nschedule: {schedule}\n"
    (folder / "a.yaml").write_text(body.format(schedule="0 2 29 2 *"))
    assert run_kronkeep(daemon, "apply", "-f", str(folder), "--dry-run").stdout.endswith("would be created\n")
    assert run_kronkeep(daemon, "apply", "-f", str(folder)).stdout.endswith("created\n")
    assert run_kronkeep(daemon, "apply", "-f", str(folder)).stdout.endswith("unchanged\n")
    (folder / "a.yaml").write_text(body.format(schedule="0 3 29 2 *"))
    (folder / "b.yaml").write_text("\n---\nkind: CronJob\nname: x\nimagee: y\n")
    refused = run_kronkeep(daemon, "apply", "-f", str(folder))
    assert refused.returncode == 2
    assert "b.yaml:3" in refused.stderr
    (folder / "b.yaml").unlink()
    assert run_kronkeep(daemon, "apply", "-f", str(folder)).stdout.endswith("changed\n")
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib\nf = pathlib.Path(sys.argv[1])\n"
        "f.write_text(f.read_text().replace('0 3', '0 4'))\n"
    )
    editor = f"{sys.executable} {script}"
    assert run_process(daemon, "edit", "applied", EDITOR=editor, VISUAL="").returncode == 0
    assert "0 4 29 2 *" in run_kronkeep(daemon, "describe", "cronjob", "applied").stdout


def test_an_edit_does_not_overwrite_what_somebody_else_wrote_meanwhile(
    daemon: Daemon, good: str, tmp_path: Path
) -> None:
    script = tmp_path / "editor.py"
    suspend = [
        sys.executable,
        "-m",
        "kronkeep_tui",
        "--socket",
        daemon.announcement["socket"],
        "suspend",
        good,
    ]
    script.write_text(
        f"import sys, pathlib, subprocess\nsubprocess.run({suspend!r}, check=True)\n"
        "f = pathlib.Path(sys.argv[1])\nf.write_text(f.read_text().replace('busybox', 'mine'))\n"
    )
    lost = run_process(
        daemon, "edit", good, EDITOR=f"{sys.executable} {script}", VISUAL="", TMPDIR=str(tmp_path)
    )
    assert (lost.returncode, "[PreconditionFailed]" in lost.stderr) == (1, True), lost.stderr
    (kept,) = tmp_path.glob("kronkeep-*.yaml")
    assert str(kept) in lost.stderr
    assert "image: mine" in kept.read_text()
    assert "suspended: true" in run_kronkeep(daemon, "get", "cronjobs", good, "-o", "yaml").stdout
    assert run_kronkeep(daemon, "resume", good).returncode == 0


def test_a_run_is_cancelled_and_what_has_ended_is_not(daemon: Daemon) -> None:
    made = run_kronkeep(
        daemon, "create", "long", "--image", "busybox", "--schedule", "0 2 29 2 *", "--", "sleep", "600"
    )
    assert made.returncode == 0, made.stderr
    run_id = run_kronkeep(daemon, "trigger", "long").stdout.split()[0]
    stopped = run_kronkeep(daemon, "cancel", run_id)
    assert (stopped.returncode, stopped.stdout.split()[0]) == (0, run_id), stopped.stderr
    for flags in ((), ("--backup",), ("--restore",)):
        refused = run_kronkeep(daemon, "cancel", "no-such-id", *flags)
        assert (refused.returncode, "NotFound]" in refused.stderr) == (1, True), refused.stderr


def test_without_channels_a_test_of_them_is_refused(daemon: Daemon) -> None:
    for names in ((), ("ops",)):
        refused = run_kronkeep(daemon, "test-channels", *names)
        assert (refused.returncode, "The settings have no channels" in refused.stderr) == (2, True)


def test_the_audit_trail_and_completions(daemon: Daemon, good: str) -> None:
    assert "/v1/cronjobs" in run_kronkeep(daemon, "audit").stdout
    for shell in ("bash", "zsh", "fish"):
        assert "kronkeep completion words" in run_kronkeep(daemon, "completion", shell).stdout
    script = run_kronkeep(daemon, "completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_bash_completes_names_that_exist(daemon: Daemon, good: str) -> None:
    script = run_kronkeep(daemon, "completion", "bash").stdout
    command = f"{sys.executable} -m kronkeep_tui --socket {daemon.announcement['socket']}"
    completed = []
    for words in (f"suspend default/{good[:2]}", "describe cronjob def", "get runs -n def"):
        count = len(words.split())
        program = f"""{script}
kronkeep() {{ {command} "$@"; }}
COMP_WORDS=(kronkeep {words}) COMP_CWORD={count}
_kronkeep
printf '%s\\n' "${{COMPREPLY[@]}}\""""
        done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
        completed.append(done.stdout.split())
    assert f"default/{good}" in completed[0]
    assert f"default/{good}" in completed[1]
    assert completed[2] == ["default"]


def test_the_help_documents_the_exit_codes(daemon: Daemon) -> None:
    words = run_kronkeep(daemon, "--help").stdout
    assert all(f"\n  {code} " in words for code in (0, 1, 2, 3, 130))


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys, kronkeep_tui.cli.main as m; m.build_parser()\n"
        "print([n for n in ('textual', 'kubernetes', 'tinydb', 'aiohttp') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_run_beside_another_is_asked_for_where_the_cronjob_forbids_it(daemon: Daemon) -> None:
    schedule = ("--image", "busybox", "--schedule", "0 2 29 2 *")
    assert run_kronkeep(daemon, "create", "at-a-time", *schedule, "--", "sleep", "600").returncode == 0
    first = run_kronkeep(daemon, "trigger", "at-a-time").stdout.split()[0]
    refused = run_kronkeep(daemon, "trigger", "at-a-time")
    assert refused.returncode == 1
    assert f"The run {first[:12]} of default/at-a-time has gone on for" in refused.stderr
    assert "Forbid" in refused.stderr
    assert "--beside. [AlreadyRuns]" in refused.stderr
    second = run_kronkeep(daemon, "trigger", "at-a-time", "--beside")
    assert second.returncode == 0, second.stderr
    for run_id in (first, second.stdout.split()[0]):
        assert run_kronkeep(daemon, "cancel", run_id).returncode == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ("silence", "--filter", "ns:nope", "--for", "1h", "--because", "x"),
            "There is no namespace 'nope'",
        ),
        (
            ("storage", "create", "local", "Bad Name", "--path", "/x", "--dry-run"),
            "'Bad Name' is not a storage's name",
        ),
        (
            ("storage", "create", "local", "vault", "--path", "x", "--dry-run"),
            "path: it is not of the right form: an absolute folder",
        ),
    ],
)
def test_refusals_name_what_is_wrong(daemon: Daemon, argv: tuple[str, ...], words: str) -> None:
    refused = run_kronkeep(daemon, *argv)
    assert refused.returncode == 2
    assert words in refused.stderr


LINES = 20_000


@pytest.fixture(scope="module")
def long_log(daemon: Daemon) -> str:
    """A CronJob whose run writes many lines, one of 10,000 characters, and bytes that are no text."""
    script = f"seq {LINES}; head -c 10000 /dev/zero | tr '\\0' x; printf '\\n\\377\\033[1m end'"
    schedule = ("--image", "busybox", "--schedule", "0 2 29 2 *")
    assert run_kronkeep(daemon, "create", "long-log", *schedule, "--", "sh", "-c", script).returncode == 0
    done = run_kronkeep(daemon, "trigger", "long-log", "--wait")
    assert done.returncode == 0, done.stderr
    return "default/long-log"


def test_a_log_in_a_file_has_every_byte(daemon: Daemon, long_log: str) -> None:
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], "logs"]
    done = subprocess.run([*command, long_log], capture_output=True, check=True)
    numbers = b"".join(b"%d\n" % number for number in range(1, LINES + 1))
    assert done.stdout == numbers + b"x" * 10_000 + b"\n\xff\x1b[1m end\n"
    name = run_kronkeep(daemon, "get", "executions", "--filter", "name:long-log", "-o", "name").stdout.strip()
    assert subprocess.run([*command, name], capture_output=True, check=True).stdout == done.stdout


@pytest.mark.parametrize(
    ("argv", "first"),
    [(("logs", "default/long-log"), b"1\n"), (("watch", "--since", "0", "--zone", "utc"), b"20")],
)
def test_who_reads_only_the_start_gets_no_traceback(
    daemon: Daemon, good: str, long_log: str, argv: tuple[str, ...], first: bytes
) -> None:
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(first)
        process.stdout.close()
        assert (
            run_kronkeep(daemon, "trigger", good, "--wait").returncode == 0
        )  # what watches has one more line to write
        assert process.stderr.read() == b""


def test_changes_of_before_have_the_time_of_then(daemon: Daemon, long_log: str) -> None:
    run = json.loads(
        run_kronkeep(daemon, "get", "executions", "--filter", "name:long-log", "-o", "json").stdout
    )[0]
    command = [
        sys.executable,
        "-m",
        "kronkeep_tui",
        "--socket",
        daemon.announcement["socket"],
        "watch",
        "runs",
    ]
    with subprocess.Popen(
        [*command, "--since", "0", "--zone", "utc"], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        line = next(line for line in lines if run["id"][:12] in line and "succeeded" in line)
        watching.terminate()
    assert line.split()[0] == f"{run['ended_at'][:19]}Z"


def test_a_terminal_that_lacks_a_character_gets_another(daemon: Daemon, long_log: str) -> None:
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], "logs"]
    shown = on_a_pty(["/usr/bin/env", "PYTHONIOENCODING=ascii", *command, long_log])
    assert b"??[1m end" in shown


def test_hostile_text_reaches_no_terminal_raw(daemon: Daemon, good: str) -> None:
    """Logs and names through the command line on a pty, and through jq -r."""
    assert run_kronkeep(daemon, "trigger", good, "--wait").returncode == 0
    runs = run_kronkeep(daemon, "get", "executions", "--filter", f"name:{good}", "-o", "json").stdout
    run = json.loads(runs)[0]["id"]
    for argv in (
        ("logs", run),
        ("trigger", "good", "--follow"),
        ("get", "cronjobs"),
        ("get", "cronjobs", HOSTILE),
    ):
        shown = on_a_pty(
            [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], *argv]
        )
        assert b"\x1b]" not in shown
        assert b"\x1b[2J" not in shown
        assert b"\xc2\x9b" not in shown
        assert "\u202e".encode() not in shown
    assert b"\xe2\x90\x9b]52" in on_a_pty(
        [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"], "logs", run]
    )


def test_a_socket_and_no_verb_is_the_terminal_on_a_screen_and_bad_input_in_a_script(daemon: Daemon) -> None:
    command = [sys.executable, "-m", "kronkeep_tui", "--socket", daemon.announcement["socket"]]
    assert b"Overview" in on_a_pty(command, b"q")
    assert run_process(daemon).returncode == 2


def on_a_pty(argv: list[str], keys: bytes = b"") -> bytes:
    """All that the program wrote to its terminal, where the keys wait for it to read them."""
    master, slave = pty.openpty()
    tty.setraw(slave)  # keys that wait are not made into lines
    os.write(master, keys)
    with subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave) as program:
        os.close(slave)
        shown = b""
        while True:
            try:
                some = os.read(master, 65536)
            except OSError:
                break
            shown += some
        program.wait(30)
    os.close(master)
    return shown


def test_a_filter_acts_on_every_list(daemon: Daemon, good: str) -> None:
    def names(*argv: str) -> list[str]:
        return run_kronkeep(daemon, "get", *argv, "-o", "name").stdout.splitlines()

    assert f"default/{good}" in names("cronjobs", "--filter", f"name:{good}")
    assert names("cronjobs", "--filter", "name:nothing-is-called-so") == []
    assert names("cronjobs", "-n", "elsewhere") == []
    assert names("storages", "--filter", "name:nothing-is-called-so") == []
    assert len(names("cronjobs", "--limit", "1")) == 1


def test_a_kind_has_the_names_of_api_and_terminal_and_o_name_prints_what_verbs_take(
    daemon: Daemon, good: str
) -> None:
    def print_of(*argv: str) -> str:
        done = run_kronkeep(daemon, *argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert print_of("get", "jobs", "-o", "name") == print_of("get", "cronjob", "-o", "name")
    first = print_of("get", "runs", "-o", "name").splitlines()[0]
    assert print_of("get", "executions", "-o", "name").splitlines()[0] == first
    assert first in print_of("describe", "run", first)
    assert "schedule text" in print_of("describe", "jobs", f"default/{good}")


def test_times_are_of_the_zone_that_is_asked_for_and_without_microseconds(daemon: Daemon, good: str) -> None:
    created = json.loads(run_kronkeep(daemon, "get", "cronjob", good, "-o", "json").stdout)["created_at"]
    moment = datetime.fromisoformat(created).astimezone(ZoneInfo("Asia/Kolkata"))
    words = moment.isoformat(timespec="seconds")

    asked = run_kronkeep(daemon, "describe", "cronjob", good, "--zone", "Asia/Kolkata").stdout
    assert re.search(rf"^created at +{re.escape(words)}$", asked, re.MULTILINE)
    assert words in run_process(daemon, "describe", "cronjob", good, TZ="Asia/Kolkata").stdout
    assert "{" not in asked
    audit = run_kronkeep(daemon, "audit", "--zone", "Asia/Kolkata")
    assert re.search(r"^2\d{3}-\d\d-\d\dT[0-9:]{8}\+05:30 ", audit.stdout, re.MULTILINE)
    refused = run_kronkeep(daemon, "get", "runs", "--zone", "Berlin")
    assert refused.returncode == 2
    assert "There is no time zone 'Berlin'" in refused.stderr


def test_the_help_tells_routes_and_levels(daemon: Daemon) -> None:
    shown = run_kronkeep(daemon, "trigger", "--help").stdout
    assert "Run a CronJob now." in shown
    assert "POST /v1/cronjobs/{namespace}/{name}/trigger  (operate)" in shown


def test_what_may_be_old_is_said_to_be(tmp_path: Path) -> None:
    """A daemon whose cluster does not answer shows what it has, and since when it has heard nothing."""
    daemon_process = Daemon(tmp_path / "s")
    daemon_process.arguments = ("--config", str(tmp_path / "kronkeepd.toml"))
    daemon_process.embedded = False
    with run_cluster(tmp_path / "c") as kubeconfig:
        (tmp_path / "kronkeepd.toml").write_text(f'[clusters.one]\nkubeconfig = "{kubeconfig}"\n')
        asyncio.run(daemon_process.start())
        assert "this may be old" not in run_kronkeep(daemon_process, "get", "cronjobs").stderr
    try:
        while "this may be old" not in (done := run_kronkeep(daemon_process, "get", "cronjobs")).stderr:
            assert done.returncode == 0
    finally:
        asyncio.run(daemon_process.stop())


def test_a_storage_s_life(daemon: Daemon, tmp_path: Path) -> None:
    asyncio.run(daemon.prepare_storage("life", tmp_path / "vault"))
    folder = str(tmp_path / "vault")
    trial = run_kronkeep(daemon, "storage", "create", "local", "life", "--path", folder, "--dry-run")
    assert trial.stdout == f"life would be created at {folder}\n"
    done = run_kronkeep(
        daemon, "storage", "create", "local", "life", "--path", folder, "--capacity", "1G", "--wait"
    )
    assert (done.returncode, done.stdout) == (0, "life active\n"), done.stderr
    assert "kronkeep storage change life --allow-namespace NAMESPACE" in done.stderr
    assert "restic check" not in run_kronkeep(daemon, "storage", "kinds").stderr
    assert run_kronkeep(daemon, "storage", "test", "life").stdout == "life active\n"
    assert run_kronkeep(daemon, "storage", "check", "life").stdout == "life active\n"
    lines = run_kronkeep(daemon, "storage", "usage", "life").stdout.splitlines()
    assert lines[0].split()[:2] == ["MEASURED", "USED"]
    assert "1.0 GiB" in lines[1]
    line = ("storage", "change", "life", "--allow-namespace", "default", "-o", "json")
    assert json.loads(run_kronkeep(daemon, *line).stdout)["namespaces"] == ["default"]
    pruned = run_kronkeep(daemon, "storage", "prune", "life").stdout.splitlines()
    assert pruned[0].startswith("life is pruned")
    assert pruned[1] == "life active"
    row = json.loads(run_kronkeep(daemon, "storage", "list", "-o", "json").stdout)
    life = next(storage for storage in row if storage["id"] == "life")
    assert (life["namespaces"], life["check_ok"]) == (["default"], True)
    refused = run_kronkeep(daemon, "storage", "delete", "life")
    assert (refused.returncode, "[ConfirmationMissing]" in refused.stderr) == (2, True)
    deleted = run_kronkeep(daemon, "storage", "delete", "life", "--yes", "life", "-o", "json")
    assert json.loads(deleted.stdout) == {"id": "life", "status": "deleted"}
    assert (tmp_path / "vault/config").exists()


def test_a_storage_that_cannot_be_made(daemon: Daemon) -> None:
    line = ("storage", "create", "rest", "no", "--url")
    done = run_kronkeep(daemon, *line, "http://127.0.0.1:1/x", "--wait")
    assert (done.returncode, "refuses the connection" in done.stdout) == (1, True), done
    wrong = run_kronkeep(daemon, *line[:3], "bad", "--url", "ftp://x")
    assert wrong.returncode == 2
    assert "url: it is not of the right form: the server and folder" in wrong.stderr
    keyless = run_kronkeep(daemon, "storage", "create", "s3", "bad", "--bucket", "vault")
    assert "AWS_ACCESS_KEY_ID" in keyless.stderr
    assert "--bucket TEXT" in run_kronkeep(daemon, "storage", "create", "s3", "--help").stdout

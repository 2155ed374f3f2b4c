"""`kronkeep apply` and `create -f`: all faults of all files with their places; nothing is applied before."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command_line import run_bytes, run_kronkeep
from tests.daemon_process import Daemon

GOOD = "kind: CronJob\nname: fine\nimage: busybox\nschedule: 0 2 29 2 *\n"
TYPOS = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: typos, namespace: default}
spec:
  schedul: "0 2 29 2 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: main
            image: busybox
            comand: ["true"]
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    process = Daemon(tmp_path_factory.mktemp("a") / "s")
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


def test_all_faults_of_all_files_are_reported_and_nothing_is_applied(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(
        "kind: CronJob\nname: late\nimage: busybox\nschedule: 0 25 * * *\n---\n"
        "kind: CronJob\nnamespace: default\nname: lost\nimage: busybox\nschedule: '@daily'\n"
        "policy: {storage_id: nope}\n---\nkind: BackupStorage\nid: vault\nsettings: {pth: /x}\n"
    )
    (tmp_path / "c.yaml").write_text(TYPOS)
    (tmp_path / "d.json").write_text('{"kind": "CronJob", "name": "j",\n "image": 3, "schedule": "@daily"}')
    (tmp_path / "e.yaml").write_text("a: b: c\n")
    (tmp_path / "f.yaml").write_text(GOOD)
    (tmp_path / "g.yaml").write_text(
        "kind: CronJob\nname: three\nimage: no spaces\nschedule: 61 2 * * *\ntime_zone: Mars/X\n"
        "colour: red\npolicy: {storage_id: nowhere}\n"
    )
    refused = run_kronkeep(daemon, "apply", "-f", str(tmp_path))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[-1].startswith("Nothing was applied. Correct what the message names")
    places = [line.removeprefix(f"kronkeep: {tmp_path}/") for line in refused.stderr.splitlines()[:-1]]
    for place, words in (
        ("b.yaml:4: cronjob default/late: ", "'25' ends above 23. Use five fields"),
        ("b.yaml:11: cronjob default/lost: ", "no storage 'nope'"),
        ("b.yaml:15: storage vault: ", "pth"),
        ("c.yaml:6: cronjob default/typos: spec.schedul: ", "Did you mean schedule?"),
        (
            "c.yaml:15: cronjob default/typos: ",
            "containers[0].comand: there is no such field. Did you mean com",
        ),
        ("d.json:2:2: cronjob default/j: image: ", "it must be a text"),
        ("e.yaml:1: ", "mapping values"),
        ("f.yaml:1: cronjob default/fine: ", "a.yaml:1 already"),
        ("g.yaml:3: cronjob default/three: ", "'no spaces' is not an image"),
        ("g.yaml:4: cronjob default/three: ", "'61' ends above 59"),
        ("g.yaml:5: cronjob default/three: ", "'Mars/X' is not known"),
        ("g.yaml:6: cronjob default/three: ", "colour: there is no such field"),
        ("g.yaml:7: cronjob default/three: ", "no storage 'nowhere'"),
    ):
        assert any(line.startswith(place) and words in line for line in places), (place, places)
    assert len(places) == 13, places
    assert run_kronkeep(daemon, "get", "cronjobs", "-o", "name").stdout == ""
    (tmp_path / "h.yaml").write_text(
        "kind: BackupStorage\nid: offsite\nkind_of_storage: s3\ncredentials: nobodys\n"
        "settings: {endpoint: https://s3.example.com, bucket: backups}\nnamespaces: [default]\n"
    )
    lacking = run_kronkeep(daemon, "apply", "-f", str(tmp_path / "h.yaml"))
    assert "There is no Secret nobodys" in lacking.stderr
    assert "needs credentials" not in lacking.stderr, "what is left out for a check is not missing"
    tried = run_kronkeep(daemon, "apply", "-f", str(tmp_path / "g.yaml"), "--dry-run")
    assert (tried.returncode, "Nothing was" in tried.stderr) == (2, False)


@pytest.mark.parametrize("verb", ["apply", "create"])
def test_no_manifest_at_all_is_a_fault_and_an_empty_file_beside_others_is_reported(
    daemon: Daemon, tmp_path: Path, verb: str
) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing yet\n---\n")
    (tmp_path / "void").mkdir()
    for name in (str(empty), str(tmp_path / "void")):
        refused = run_kronkeep(daemon, verb, "-f", name)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"There is no manifest in {name}." in refused.stderr
    typed = run_bytes("--socket", str(daemon.announcement["socket"]), verb, "-f", "-")
    assert (typed.returncode, b"no manifest in standard input" in typed.stderr) == (2, True)
    (tmp_path / "good.yaml").write_text(GOOD)
    done = run_kronkeep(daemon, verb, "--dry-run", "-f", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "cronjob default/fine would be created\n")
    assert f"warning: there is no manifest in {empty}" in done.stderr


def test_a_single_fault_keeps_its_code_and_next_step(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("\n" + TYPOS.replace("schedul:", "schedule:").replace("comand:", "command:"))
    assert run_kronkeep(daemon, "apply", "-f", str(file)).stdout == "cronjob default/typos created\n"
    file.write_text(TYPOS.replace("schedul:", "schedule:"))
    changed = run_kronkeep(daemon, "apply", "-f", str(file))
    assert changed.stderr.startswith(f"kronkeep: {file}:15: cronjob default/typos: spec.jobTemplate.spec.")
    file.write_text("kind: CronJob\nname: x\nimage: busybox\nschedule: x\n")
    late = run_kronkeep(daemon, "create", "-f", str(file))
    assert (late.returncode, "Nothing was created." in late.stderr) == (2, True)
    assert "[InvalidSchedule]" in late.stderr
    assert f"{file}:4: cronjob default/x: " in late.stderr

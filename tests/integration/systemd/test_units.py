"""The installed layout, the units as systemd-analyze sees them, and restarts under a socket that stays."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kronkeep_daemon import settings

ROOT = Path(__file__).parents[3]
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dest")
    environment = {**os.environ, "DESTDIR": str(folder), "DEPENDENCIES": "no"}
    command = ["systemd/install", str(Path(sys.executable).parents[1])]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return folder


def test_the_installed_programs_answer(installed: Path) -> None:
    for program in ("kronkeep", "kronkeepd"):
        script = (installed / "usr/bin" / program).read_text()
        assert "exec /usr/bin/python3 -P -m" in script
        home = installed / "usr/lib/kronkeep"
        package = script.split("-m ")[1].split()[0]
        done = subprocess.run(
            [sys.executable, "-P", "-m", package, "--help"],
            env={**os.environ, "PYTHONPATH": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(f"usage: {program}")


def test_no_setting_hides_who_asks(installed: Path) -> None:
    """With a user namespace every peer's uid is seen as 65534 (SO_PEERCRED)."""
    for unit in ("system/kronkeepd.service", "user/kronkeepd.service"):
        lines = (installed / "usr/lib/systemd" / unit).read_text().splitlines()
        assert not [line for line in lines if line.startswith(("PrivateUsers=", "PrivatePIDs="))]


def test_a_new_kubeconfig_is_read_without_a_restart(installed: Path) -> None:
    """A credential of systemd is a copy from the unit's start (LoadCredential=, systemd.exec(5))."""
    example = settings.parse((installed / "usr/share/doc/kronkeep/kronkeepd.toml").read_text(), "example")
    unit = (installed / "usr/lib/systemd/system/kronkeepd.service").read_text()
    kubeconfig = example.clusters["default"].kubeconfig
    assert f"ConditionPathExists={kubeconfig}\n" in unit
    assert "LoadCredential=" not in unit


@needs_systemd
@pytest.mark.parametrize("restricted", [False, True])
def test_the_exposure_of_the_service(tmp_path: Path, restricted: bool) -> None:
    """At most 1.3 in `systemd-analyze security`, which takes tenths, with and without the drop-in."""
    unit = tmp_path / "kronkeepd.service"
    network = (ROOT / "systemd/restrict-network.conf").read_text() if restricted else ""
    unit.write_text((ROOT / "systemd/kronkeepd.service").read_text() + network)
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=13", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


@needs_systemd
def test_the_units_hold_what_systemd_asks_of_them(installed: Path) -> None:
    units = installed / "usr/lib/systemd/system"
    for wanted in ("usr/bin/logger", "bin/kill", "bin/sh"):
        path = installed / wanted
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        shutil.copy(target, units)
    for wanted in ("tmp.mount", "systemd-journald.socket"):
        if (Path("/usr/lib/systemd/system") / wanted).exists():
            shutil.copy(Path("/usr/lib/systemd/system") / wanted, units)
    names = ["kronkeepd.service", "kronkeepd.socket", "kronkeepd-failed@x.service"]
    command = ["systemd-analyze", "verify", "--man=no", f"--root={installed}", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "kronkeepd" in line]
    assert ours == []


class Activated:
    """A listening socket as systemd holds it, and a daemon that is handed it (sd_listen_fds(3))."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "api.sock"
        self.state = folder / "s"
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen(512)

    def start(self) -> "subprocess.Popen[bytes]":
        number = self.listening.fileno()
        script = f'exec 3<&{number}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        daemon = [sys.executable, "-m", "kronkeep_daemon", "--embedded", "--announce"]
        command = [
            "bash",
            "-c",
            script,
            "bash",
            *daemon,
            "--state",
            str(self.state),
            "--socket",
            str(self.path),
        ]
        with (self.state.parent / "log").open("ab") as log:
            found = subprocess.Popen(command, pass_fds=(number,), stdout=subprocess.PIPE, stderr=log)
        assert found.stdout is not None
        for line in found.stdout:
            if b'"pid"' in line:
                return found
        raise AssertionError((self.state.parent / "log").read_text()[-3000:])


def ask(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(REQUEST)
        answer = b""
        while some := connection.recv(4096):
            answer += some
    return answer


@pytest.mark.parametrize("restarts", [2, pytest.param(10, marks=pytest.mark.torture)])
def test_no_request_is_lost_over_restarts(tmp_path: Path, restarts: int) -> None:
    activated = Activated(tmp_path)
    stop = threading.Event()
    asking = threading.Lock()
    answers = list[bytes]()
    faults: list[OSError] = []

    def loop() -> None:
        while not stop.wait(0.02):
            try:
                with asking:
                    answers.append(ask(activated.path))
            except OSError as fault:
                faults.append(fault)

    daemon = activated.start()
    client = threading.Thread(target=loop)
    client.start()
    try:
        for number in range(restarts + 1):
            seen = len(answers)
            if number < restarts:
                daemon.send_signal(signal.SIGTERM)
            else:
                with asking:  # a request that it has taken dies with it; the next one waits in the socket
                    daemon.send_signal(signal.SIGKILL)
            daemon.wait(20)
            assert daemon.stdout is not None
            daemon.stdout.close()
            daemon = activated.start()
            while len(answers) < seen + 3 and not faults:
                stop.wait(0.01)
    finally:
        stop.set()
        client.join()
        daemon.terminate()
        daemon.wait(20)
        assert daemon.stdout is not None
        daemon.stdout.close()
        activated.listening.close()
    log = (tmp_path / "log").read_text()
    counts = [log.count(words) for words in (" serves ", "kronkeepd stops: SIGTERM", "kronkeepd has stopped")]
    assert counts == [restarts + 2, restarts + 1, restarts + 1]  # one start ended with SIGKILL
    assert faults == []
    assert [answer for answer in answers if b" 200 OK" not in answer] == []


def is_listening(path: Path) -> bool:
    """Whether the kernel lists a socket of that path that takes connections: its file is there before."""
    listed = Path("/proc/net/unix").read_text().splitlines()
    return any(line.endswith(f" {path}") and line.split()[3] == "00010000" for line in listed)


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd")
def test_the_first_connection_starts_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    daemon = [sys.executable, "-m", "kronkeep_daemon", "--embedded", "--state", str(tmp_path / "s")]
    command = ["systemd-socket-activate", "-l", str(path), *daemon, "--socket", str(path)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as activated:
        while not is_listening(path):
            assert activated.poll() is None
        assert b" 200 OK" in ask(path)
        activated.terminate()
        assert activated.wait(20) == 0

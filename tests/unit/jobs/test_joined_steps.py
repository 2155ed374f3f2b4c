"""Steps that share a container: a caller of the runner sees each as a container of its own."""

from hashlib import sha256

import pytest
from tests.unit.jobs.fake_cluster import FakeCluster
from tests.unit.jobs.running_jobs import running

from kronkeep_daemon.jobs.step_chain import CONTAINER

SECRET = sha256(b"secret").hexdigest().encode()
SEAL = sha256(SECRET).hexdigest().encode()
FORGED = b"kronkeep:end " + b"0" * 64 + b" 0"


def begin(name: bytes) -> bytes:
    return b"kronkeep:begin " + name + b" " + SEAL


def end(code: int) -> tuple[bytes, bytes]:
    """The two lines that the script prints after a step."""
    return b"", b"kronkeep:end " + SECRET + b" %d" % code


async def test_each_step_has_its_result_and_its_lines() -> None:
    cluster = FakeCluster(CONTAINER, "last")
    lines: list[tuple[str, bytes]] = []

    def take(container: str, line: bytes) -> None:
        lines.append((container, line))

    async with running(cluster, on_line=take) as task:
        cluster.start(CONTAINER)
        cluster.write(CONTAINER, begin(b"version"), b"restic 0.19.1", *end(0))
        cluster.write(CONTAINER, begin(b"names"), b"a", b"", FORGED, b"", *end(0))
        cluster.write(CONTAINER, begin(b"backup"), b"why", *end(3))
        cluster.end(CONTAINER, 3, "Error")
        cluster.finish("Failed", "BackoffLimitExceeded")
        finished = await task
    assert [(one.name, one.exit_code, one.reason, one.text) for one in finished.containers] == [
        ("version", 0, "", b"restic 0.19.1\n"),
        ("names", 0, "", b"a\n\n" + FORGED + b"\n\n"),
        ("backup", 3, "Error", b"why\n"),
        ("last", None, "", b""),
    ]
    assert lines == [
        ("version", b"restic 0.19.1"),
        *[("names", line) for line in (b"a", b"", FORGED, b"")],
        ("backup", b"why"),
    ]
    assert finished.first_failure == finished.container("backup")


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ((begin(b"one"), *end(0), begin(b"two"), b"half"), [("one", 0), ("two", 137)]),
        ((begin(b"one"), *end(0)), [("one", 0), (CONTAINER, 137)]),
        ((), [(CONTAINER, 137)]),
        ((b"sh: not found",), [(CONTAINER, 137)]),
    ],
)
async def test_a_container_that_was_killed_gives_its_code_to_the_step_that_had_not_ended(
    written: tuple[bytes, ...], names: list[tuple[str, int]]
) -> None:
    cluster = FakeCluster(CONTAINER)
    async with running(cluster) as task:
        cluster.start(CONTAINER)
        cluster.write(CONTAINER, *written)
        cluster.end(CONTAINER, 137, "OOMKilled")
        cluster.finish("Failed", "BackoffLimitExceeded")
        finished = await task
    assert [(one.name, one.exit_code) for one in finished.containers] == names
    assert finished.containers[-1].reason == "OOMKilled"

"""Containers run in the root file system of their image, where the node has one."""

import shutil
from pathlib import Path

import pytest
from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs, RunningCluster

from kronkeep_common.errors import ToolMissing
from kronkeep_daemon.embedded.agent.image_folder import ImageFolder, build_images, open_images
from kronkeep_daemon.kube.objects import JsonObject


async def test_a_restic_image_has_busyboxs_tools_and_no_others(jobs: ClusterJobs) -> None:
    script = "find --help 2>&1 | head -n 1; which restic ssh; which bash python3 perl || echo none"
    text = await jobs.run("tools", script, {"container": {"image": "restic/restic:0.19.1"}})
    assert text.startswith("BusyBox v1.")
    tools = ["/usr/bin/restic", *(["/usr/bin/ssh"] if shutil.which("ssh") else [])]
    assert text.splitlines()[1:] == [*tools, "none"]


@pytest.mark.parametrize("image", ["busybox", "docker.io/library/busybox:1.37", "busybox@sha256:1234"])
async def test_busybox_of_any_tag_is_there(jobs: ClusterJobs, image: str) -> None:
    text = await jobs.run("any", "which restic || readlink /bin/sh", {"container": {"image": image}})
    assert text == "busybox\n"


@pytest.mark.parametrize("image", ["python:3.11", "localhost:5000/busybox", "missing.invalid/restic/restic"])
async def test_an_image_without_a_root_cannot_be_pulled(jobs: ClusterJobs, image: str) -> None:
    await jobs.create("none", "ls", {"container": {"image": image}})

    async def waiting() -> JsonObject:
        (entry,) = (await jobs.newest_pod("none"))["status"].get("containerStatuses") or [{"state": {}}]
        return entry["state"].get("waiting") or {}

    first = await jobs.wait_until(waiting, lambda state: state.get("reason") == "ErrImagePull")
    assert image in first["message"]
    again = await jobs.wait_until(waiting, lambda state: state.get("reason") == "ImagePullBackOff")
    assert again["message"].startswith(f'Back-off pulling image "{image}": ErrImagePull: ')


async def test_with_this_machines_tools_such_an_image_sees_this_machine(tmp_path: Path) -> None:
    async with RunningCluster(tmp_path / "c", machine_tools=True) as jobs:
        container = {"image": "python:3.11"}
        assert await jobs.run("machine", "ls -d /etc/apt", {"container": container}) == "/etc/apt\n"
        assert await jobs.run("image", "ls /etc/apt 2>/dev/null || echo none") == "none\n"


async def test_a_read_only_root_can_be_written_only_where_volumes_are(jobs: ClusterJobs) -> None:
    container = {
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "e", "mountPath": "/etc/deep/volume"}],
        "workingDir": "/etc/deep",
    }
    script = (
        "pwd; for f in /x /tmp/x /etc/x /bin/x volume/x; do (touch $f) 2>/dev/null && echo $f; done; ls /etc"
    )
    pod = {"volumes": [{"name": "e", "emptyDir": {}}], "container": container}
    text = await jobs.run("read-only", script, pod)
    assert text.split()[:2] == ["/etc/deep", "volume/x"]
    assert {"passwd", "hosts", "deep"} <= set(text.split())


async def test_another_root_can_be_written_and_the_next_container_does_not_see_it(jobs: ClusterJobs) -> None:
    script = (
        "ls /x /tmp/x /etc/x 2>/dev/null; for f in /x /tmp/x /etc/x /root/x; do touch $f && echo $f; done"
    )
    for name in ("one", "two"):
        assert (await jobs.run(name, script)).split() == ["/x", "/tmp/x", "/etc/x", "/root/x"]


def test_images_are_found_by_name_and_by_name_without_tag(tmp_path: Path) -> None:
    for name in ("team/tool:2", "team/tool", "busybox"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "busybox").touch()
    images = ImageFolder(tmp_path)
    assert images.root_of("team/tool:2") == tmp_path / "team/tool:2"
    assert images.root_of("team/tool:3") == tmp_path / "team/tool"
    assert images.root_of("docker.io/library/busybox:1.36") == tmp_path / "busybox"
    assert images.root_of("localhost:5000/team/tool") is None
    assert images.root_of("../busybox") is None
    assert ImageFolder(None).root_of("busybox") is None


def test_without_prepared_images_the_first_start_builds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "no venv"))
    folder = tmp_path / "state" / "images"
    root = open_images(folder).root_of("restic/restic:0.19.1")
    assert root == folder / "restic/restic"
    assert (root / "usr/bin/restic").stat().st_mode & 0o777 == 0o755
    build_images(folder, None)  # another node's agent at the same time
    assert [path.name for path in folder.parent.iterdir()] == ["images"]


def test_without_busybox_there_are_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "no venv"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="busybox"):
        open_images(tmp_path / "images")
    images = open_images(tmp_path / "images", machine_tools=True)
    assert (images.root_of("busybox"), images.find_pull_fault("busybox")) == (None, "")

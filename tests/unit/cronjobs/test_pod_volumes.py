"""The volumes that a CronJob's containers mount are read whatever their kind is."""

from typing import Any

from kronkeep_common.archive_contents import MountedVolume, list_mounted_claims
from kronkeep_daemon.cronjobs.pod_volumes import list_mounted_volumes
from kronkeep_daemon.kube.objects import CronJobObject


def cronjob(volumes: list[dict[str, Any]], *containers: dict[str, Any], **pod: Any) -> CronJobObject:
    spec = {"containers": list(containers), "volumes": volumes, **pod}
    manifest = {
        "metadata": {"name": "job", "uid": "u"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}},
    }
    return CronJobObject.from_manifest(manifest, "c")


def mount(name: str, path: str, **fields: str) -> dict[str, str]:
    return {"name": name, "mountPath": path, **fields}


def claim(name: str) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": f"claim-{name}"}}


def test_each_volume_is_read_with_its_kind_and_first_path() -> None:
    volumes = [
        claim("data"),
        {"name": "host", "hostPath": {"path": "/srv"}},
        {"name": "future", "aKindOfNextYear": {"deep": [1]}},
        {"name": "nothing"},
        {"name": "empty", "emptyDir": None, "nfs": {"server": "s", "path": "/x"}},
        {"name": "unused", "hostPath": {"path": "/"}},
    ]
    init = {"name": "init", "volumeMounts": [mount("data", "/first")]}
    names = ("data", "host", "future", "nothing", "empty")
    main = {"name": "main", "volumeMounts": [mount(name, f"/{name}") for name in names]}
    shown = [
        (v.name, v.kind, v.mount_path)
        for v in list_mounted_volumes(cronjob(volumes, main, initContainers=[init]))
    ]
    assert shown == [
        ("data", "persistentVolumeClaim", "/first"),
        ("host", "hostPath", "/host"),
        ("future", "aKindOfNextYear", "/future"),
        ("nothing", "emptyDir", "/nothing"),
        ("empty", "nfs", "/empty"),
    ]


def test_parts_and_devices_are_told_apart_from_the_whole() -> None:
    main = {
        "name": "main",
        "volumeMounts": [
            mount("part", "/a", subPath="app"),
            mount("part", "/b", subPath="lib"),
            mount("both", "/c", subPath="app"),
            mount("both", "/d"),
            mount("guess", "/e", subPathExpr="$(HOME)"),
        ],
        "volumeDevices": [{"name": "raw", "devicePath": "/dev/raw"}],
    }
    volumes = [claim(name) for name in ("part", "both", "guess", "raw")]
    by_name = {volume.name: volume for volume in list_mounted_volumes(cronjob(volumes, main))}
    assert by_name["part"].sub_paths == ("app", "lib")
    assert by_name["both"].sub_paths == ()
    assert by_name["guess"].sub_paths == ()
    assert by_name["raw"] == MountedVolume(
        "raw", "persistentVolumeClaim", "/dev/raw", claim="claim-raw", is_device=True
    )
    assert list_mounted_claims(by_name.values()) == ("claim-part", "claim-both", "claim-guess")

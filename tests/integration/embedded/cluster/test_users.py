"""The user and the groups of a container, and who owns its volumes."""

import os
from typing import Any

import pytest
from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's agent can become another user")
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUMES: list[JsonObject] = [
    {"name": "e", "emptyDir": {}},
    {"name": "s", "secret": {"secretName": "s"}},
    {"name": "k", "secret": {"secretName": "s", "defaultMode": 0o400}},
    {"name": "c", "configMap": {"name": "c", "items": [{"key": "a", "path": "deep/a", "mode": 0o600}]}},
    {"name": "p", "persistentVolumeClaim": {"claimName": "data"}},
    {"name": "t", "projected": {"sources": [{"secret": {"name": "s"}}]}},
]


def pod_of(context: JsonObject, own: JsonObject | None = None, **fields: Any) -> JsonObject:
    return {"securityContext": context, "container": {"securityContext": own or {}}, **fields}


async def create_sources(jobs: ClusterJobs) -> JsonObject:
    """Create what the volumes need; a pod with all of them mounted below /deep/m."""
    create = jobs.cluster.create
    await create(paths.secrets("default"), {"metadata": {"name": "s"}, "stringData": {"key": "hush"}})
    await create(paths.configmaps("default"), {"metadata": {"name": "c"}, "data": {"a": "x=1"}})
    await create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": CLAIM})
    mounts = [{"name": volume["name"], "mountPath": f"/deep/m/{volume['name']}"} for volume in VOLUMES]
    return {"volumes": VOLUMES, "container": {"volumeMounts": mounts}}


USERS: list[tuple[JsonObject, JsonObject, str]] = [
    ({}, {}, "0 0 0"),
    ({"runAsUser": 1000}, {}, "1000 0 0"),
    ({"runAsUser": 1000, "runAsGroup": 3000}, {"runAsUser": 1001}, "1001 3000 3000"),
    ({"runAsUser": 1000, "fsGroup": 2000, "supplementalGroups": [5, 6]}, {}, "1000 0 0 5 6 2000"),
    ({"fsGroup": 2000}, {}, "0 0 0 2000"),
    ({"runAsNonRoot": True}, {"runAsUser": 7}, "7 0 0"),
]


async def test_a_container_is_the_user_that_its_security_context_names(jobs: ClusterJobs) -> None:
    expected = {}
    for number, (context, own, ids) in enumerate(USERS):
        for read_only in (True, False):
            name = f"who-{number}-{read_only}".lower()
            pod = pod_of(context, own | {"readOnlyRootFilesystem": read_only})
            await jobs.create(name, "echo $(id -u) $(id -g) $(id -G)", pod)
            expected[name] = ids
    for name, ids in expected.items():
        assert await jobs.wait_for_end(name) == "Complete", name
        assert (await jobs.read_log(name)).strip() == ids


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"runAsNonRoot": True}, "container has runAsNonRoot and image will run as root"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "container's runAsUser breaks non-root policy"),
    ],
)
async def test_root_is_refused_where_it_must_not_be(
    jobs: ClusterJobs, context: JsonObject, sentence: str
) -> None:
    await jobs.create("root", "id", pod_of(context))

    async def waiting() -> JsonObject:
        entries = (await jobs.newest_pod("root"))["status"].get("containerStatuses") or [{"state": {}}]
        return entries[0]["state"].get("waiting") or {}

    state = await jobs.wait_until(waiting, lambda state: "message" in state)
    assert state["reason"] == "CreateContainerConfigError"
    assert state["message"].startswith(f'{sentence} (pod: "root-')


async def test_another_user_has_what_the_modes_give_it(jobs: ClusterJobs) -> None:
    pod = await create_sources(jobs) | {"securityContext": {"runAsUser": 1000}}
    script = (
        "cd /deep/m; cat s/key; for f in k/key c/deep/a; do cat $f 2>/dev/null || echo refused; done; "
        "touch e/x && echo written; "
        "for f in p/x /x /etc/x /bin/x; do touch $f 2>/dev/null || echo refused; done; "
        "stat -c %a:%u:%g e s s/key k/key c/deep c/deep/a p t/key"
    )
    words = (await jobs.run("modes", script, pod)).split()
    assert words[0].removeprefix("hush") == "refused"
    assert words[1:7] == ["refused", "written", "refused", "refused", "refused", "refused"]
    modes = ["777", "755", "644", "400", "755", "600", "755", "644"]
    assert words[7:] == [f"{mode}:0:0" for mode in modes]


async def test_a_group_owns_the_volumes_as_a_kubelet_gives_them(jobs: ClusterJobs) -> None:
    pod = await create_sources(jobs) | {"securityContext": {"runAsUser": 1000, "fsGroup": 2000}}
    script = (
        "cd /deep/m; stat -c %a:%u:%g e s s/key k/key c/deep/a p t/key; cat k/key; echo; "
        "touch p/x e/x; stat -c %u:%g p/x e/x"
    )
    words = (await jobs.run("groups", script, pod)).split()
    modes = ["2777", "2755", "644", "440", "640", "2775", "644"]
    assert words == [*(f"{mode}:0:2000" for mode in modes), "hush", "1000:2000", "1000:2000"]


async def test_root_keeps_a_containers_capabilities_and_no_others(jobs: ClusterJobs) -> None:
    script = (
        "touch /f; chown 5 /f && echo chown; hostname other 2>/dev/null || echo no admin; "
        "mount -t tmpfs x /mnt 2>/dev/null || echo no mount"
    )
    assert await jobs.run("default", script) == "chown\nno admin\nno mount\n"
    none = {"capabilities": {"drop": ["ALL"]}}
    dropped = "touch /f; chown 5 /f 2>/dev/null || echo no chown"
    assert await jobs.run("none", dropped, pod_of({}, none)) == "no chown\n"
    some = {"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}
    assert await jobs.run("some", "touch /f; chown 5 /f && echo chown", pod_of({}, some)) == "chown\n"


async def test_a_working_folder_that_is_missing_is_created(jobs: ClusterJobs) -> None:
    for name, folder in (("new", "/new/folder"), ("volume", "/e/in/volume")):
        pod = {
            "volumes": [{"name": "e", "emptyDir": {}}],
            "container": {"workingDir": folder, "volumeMounts": [{"name": "e", "mountPath": "/e"}]},
        }
        assert await jobs.run(name, "pwd", pod) == f"{folder}\n"

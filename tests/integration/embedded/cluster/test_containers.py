"""Containers of Jobs: environment, volumes, init containers, exit codes and logs."""

import socket
from pathlib import Path

import pytest
from tests.integration.embedded.cluster.cluster_jobs import ClusterJobs
from tests.ssh_client import needs_ssh

from kronkeep_common.reasons import Reason
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.restic import faults
from kronkeep_daemon.restic.command_line import limit_time


async def test_a_job_runs_a_process_and_its_log_is_stored(jobs: ClusterJobs) -> None:
    assert await jobs.run("hello", "echo hi; echo low >&2") == "hi\nlow\n"
    pod = await jobs.newest_pod("hello")
    (entry,) = pod["status"]["containerStatuses"]
    end = entry["state"]["terminated"]
    assert (pod["status"]["phase"], end["exitCode"], end["reason"]) == ("Succeeded", 0, "Completed")


async def test_the_environment_comes_from_every_source(jobs: ClusterJobs) -> None:
    create = jobs.cluster.create
    await create(paths.secrets("default"), {"metadata": {"name": "s"}, "stringData": {"KEY": "k", "A": "1"}})
    await create(paths.configmaps("default"), {"metadata": {"name": "c"}, "data": {"COLOUR": "red"}})
    env = [
        {"name": "PLAIN", "value": "p"},
        {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "KEY"}}},
        {"name": "FROM_MAP", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "COLOUR"}}},
        {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "x", "optional": True}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "NOTE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['job-name']"}}},
        {"name": "BOTH", "value": "$(PLAIN)-$(FROM_SECRET)-$(UNKNOWN)-$$(PLAIN)"},
    ]
    sources = [{"secretRef": {"name": "s"}, "prefix": "S_"}, {"configMapRef": {"name": "c"}}]
    script = "echo $PLAIN $FROM_SECRET $FROM_MAP ${ABSENT-unset} $NAMESPACE $NODE $NOTE $BOTH $S_A $COLOUR $1"
    container = {"command": ["sh", "-c", script, "sh"], "args": ["$(PLAIN)"], "env": env, "envFrom": sources}
    text = await jobs.run("env", "", {"container": container})
    assert text == "p k red unset default node-1 env p-k-$(UNKNOWN)-$(PLAIN) 1 red p\n"


async def test_a_container_does_not_see_the_agents_environment(
    jobs: ClusterJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRONKEEP_SECRET", "x")
    assert "KRONKEEP_SECRET" not in await jobs.run("env", "env")


async def test_every_type_of_volume_is_mounted(jobs: ClusterJobs, tmp_path: Path) -> None:
    create = jobs.cluster.create
    await create(paths.secrets("default"), {"metadata": {"name": "s"}, "stringData": {"key": "hush"}})
    await create(paths.configmaps("default"), {"metadata": {"name": "c"}, "data": {"a.conf": "x=1"}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await create(paths.claims("default"), {"metadata": {"name": "data"}, "spec": claim})
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "seen").write_text("host\n")
    volumes = [
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "c", "configMap": {"name": "c", "items": [{"key": "a.conf", "path": "deep/b.conf"}]}},
        {"name": "e", "emptyDir": {}},
        {"name": "p", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "h", "hostPath": {"path": str(tmp_path / "host")}},
        {"name": "d", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ]
    mounts: list[JsonObject] = [{"name": v["name"], "mountPath": f"/m/{v['name']}"} for v in volumes]
    mounts[4]["readOnly"] = True
    script = (
        "cat /m/s/key; echo; stat -c %a /m/s/key; cat /m/c/deep/b.conf; echo; touch /m/e/x && echo written; "
        "echo kept > /m/p/file; cat /m/h/seen; touch /m/h/x 2>/dev/null || echo refused; "
        "touch /m/s/x 2>/dev/null || echo refused; cat /m/d/n"
    )
    pod = {"volumes": volumes, "container": {"volumeMounts": mounts}}
    text = await jobs.run("volumes", script, pod)
    name = (await jobs.newest_pod("volumes"))["metadata"]["name"]
    expected = ["hush", "644", "x=1", "written", "host", "refused", "refused", name]
    assert text.split() == expected
    again = {"volumes": [volumes[3]], "container": {"volumeMounts": [mounts[3]]}}
    assert await jobs.run("again", "cat /m/p/file", again) == "kept\n"
    bound = await jobs.cluster.get(paths.claims("default", "data"))
    assert bound["status"]["phase"] == "Bound"


async def test_init_containers_run_in_order_and_share_volumes(jobs: ClusterJobs) -> None:
    def step(name: str) -> JsonObject:
        script = f"echo {name} >> /w/order"
        mounts = [{"name": "w", "mountPath": "/w"}]
        return {"name": name, "image": "busybox", "command": ["sh", "-c", script], "volumeMounts": mounts}

    pod = {
        "volumes": [{"name": "w", "emptyDir": {}}],
        "initContainers": [step("one"), step("two")],
        "container": {"volumeMounts": [{"name": "w", "mountPath": "/w"}], "workingDir": "/w"},
    }
    assert await jobs.run("order", "cat order", pod) == "one\ntwo\n"


async def test_a_failed_init_container_ends_the_pod(jobs: ClusterJobs) -> None:
    failing = {"name": "prepare", "image": "busybox", "command": ["sh", "-c", "exit 7"]}
    await jobs.create("init", "echo never", {"initContainers": [failing]})
    assert await jobs.wait_for_end("init") == "Failed"
    status = (await jobs.newest_pod("init"))["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


@pytest.mark.parametrize("kind", [pytest.param("sftp", marks=needs_ssh), "rest"])
async def test_a_storage_that_does_not_answer_is_unreachable(jobs: ClusterJobs, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        urls = {"sftp": f"sftp://user@{address}/x", "rest": f"rest:http://{address}/"}
        names = []
        for version in ("0.14.0", "newer"):
            command = limit_time(2, ["restic", "--no-cache", "-r", urls[kind], "cat", "config"])
            password = {"name": "RESTIC_PASSWORD", "value": "x"}
            container = {"image": f"restic/restic:{version}", "command": command, "env": [password]}
            names.append(f"{kind}-{version}")
            await jobs.create(names[-1], "", {"container": container})
        for name in names:
            assert await jobs.wait_for_end(name) == "Failed"
            (entry,) = (await jobs.newest_pod(name))["status"]["containerStatuses"]
            log = (await jobs.read_log(name)).encode()
            fault = faults.explain(entry["state"]["terminated"]["exitCode"], log)
            assert fault.message == "The storage did not answer in time.", (name, entry, log)


async def test_a_container_without_restic_has_another_reason_than_one_whose_restic_failed(
    jobs: ClusterJobs,
) -> None:
    env = [{"name": "PATH", "value": "/nowhere"}]
    for name, command in (("direct", ["restic", "version"]), ("shell", ["/bin/sh", "-c", "restic version"])):
        await jobs.create(name, "", {"container": {"command": command, "env": env}})
        assert await jobs.wait_for_end(name) == "Failed"
        (entry,) = (await jobs.newest_pod(name))["status"]["containerStatuses"]
        log = (await jobs.read_log(name)).encode()
        fault = faults.explain(entry["state"]["terminated"]["exitCode"], log)
        assert fault == faults.Fault.of(Reason.TOOL_MISSING), (entry, log)

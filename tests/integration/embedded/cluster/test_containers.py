"""What a container meets: its environment, its mounts, its end."""

from typing import Any

from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.restic.output import fault


async def test_a_job_runs_a_process_and_keeps_its_log(room: Any) -> None:
    assert await room.output("hello", "echo hi; echo low >&2") == "hi\nlow\n"
    pod = await room.pod("hello")
    (entry,) = pod["status"]["containerStatuses"]
    ended = entry["state"]["terminated"]
    assert (pod["status"]["phase"], ended["exitCode"], ended["reason"]) == ("Succeeded", 0, "Completed")


async def test_environment_from_every_source(room: Any) -> None:
    create = room.cluster.create
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
    text = await room.output("env", "", {"container": container})
    assert text == "p k red unset default node-1 env p-k-$(UNKNOWN)-$(PLAIN) 1 red p\n"


async def test_nothing_of_the_agents_own_environment_is_seen(room: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("KRONKEEP_SECRET", "x")
    assert "KRONKEEP_SECRET" not in await room.output("env", "env")


async def test_volumes(room: Any, tmp_path: Any) -> None:
    create = room.cluster.create
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
    mounts = [{"name": v["name"], "mountPath": f"/m/{v['name']}"} for v in volumes]
    mounts[4]["readOnly"] = True
    script = (
        "cat /m/s/key; echo; stat -c %a /m/s/key; cat /m/c/deep/b.conf; echo; touch /m/e/x && echo made; "
        "echo kept > /m/p/file; cat /m/h/seen; touch /m/h/x 2>/dev/null || echo refused; "
        "touch /m/s/x 2>/dev/null || echo refused; cat /m/d/n"
    )
    pod = {"volumes": volumes, "container": {"volumeMounts": mounts}}
    text = await room.output("volumes", script, pod)
    name = (await room.pod("volumes"))["metadata"]["name"]
    expected = ["hush", "400", "x=1", "made", "host", "refused", "refused", name]
    assert text.split() == expected
    again = {"volumes": [volumes[3]], "container": {"volumeMounts": [mounts[3]]}}
    assert await room.output("again", "cat /m/p/file", again) == "kept\n"
    bound = await room.cluster.get(paths.claims("default", "data"))
    assert bound["status"]["phase"] == "Bound"


async def test_init_containers_run_in_order_and_share_volumes(room: Any) -> None:
    def step(name: str) -> JsonObject:
        script = f"echo {name} >> /w/order"
        mounts = [{"name": "w", "mountPath": "/w"}]
        return {"name": name, "image": "b", "command": ["sh", "-c", script], "volumeMounts": mounts}

    pod = {
        "volumes": [{"name": "w", "emptyDir": {}}],
        "initContainers": [step("one"), step("two")],
        "container": {"volumeMounts": [{"name": "w", "mountPath": "/w"}], "workingDir": "/w"},
    }
    assert await room.output("order", "cat order", pod) == "one\ntwo\n"


async def test_an_init_container_that_fails_ends_the_pod(room: Any) -> None:
    bad = {"name": "prepare", "image": "b", "command": ["sh", "-c", "exit 7"]}
    await room.job("init", "echo never", {"initContainers": [bad]})
    assert await room.ended("init") == "Failed"
    status = (await room.pod("init"))["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


async def test_a_container_without_restic_is_told_from_one_whose_restic_failed(room: Any) -> None:
    env = [{"name": "PATH", "value": "/nowhere"}]
    for name, command in (("direct", ["restic", "version"]), ("shell", ["/bin/sh", "-c", "restic version"])):
        await room.job(name, "", {"container": {"command": command, "env": env}})
        assert await room.ended(name) == "Failed"
        (entry,) = (await room.pod(name))["status"]["containerStatuses"]
        log = (await room.log(name)).encode()
        reason, _, then = fault(entry["state"]["terminated"]["exitCode"], log)
        assert (reason, then.endswith("apt-get install -y restic.")) == ("ToolMissing", True), (entry, log)

"""Repeated writes, conditional writes, dry runs, operations and limits against a real daemon."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.daemon_process import Daemon
from tests.integration.http.conftest import request_as_nobody
from tests.waiting import LONGEST_WAIT, eventually

from kronkeep_common import object_keys
from kronkeep_common.clock import SystemClock
from kronkeep_common.errors import NameTaken, PreconditionFailed
from kronkeep_common.models import BackupStorageChange, BackupStorageCreate, CronJobCreate
from kronkeep_daemon.history import History, Records
from kronkeep_daemon.http import idempotency
from kronkeep_daemon.kube import paths

HTTP = httpx.AsyncClient
TRIGGER = "/v1/cronjobs/default/w/trigger"


@pytest.fixture(scope="module")
def daemon(open_folder: Path) -> Iterator[Daemon]:
    process = Daemon(open_folder / "s")
    asyncio.run(process.start())

    asyncio.run(create(process, "w"))
    yield process
    asyncio.run(process.stop())


async def create(daemon: Daemon, name: str) -> str:
    """Create a CronJob that no other test uses, and return its path."""
    async with daemon.client() as client:
        await client.cronjobs.create(
            CronJobCreate(name=name, image="busybox", command=("true",), schedule="0 2 29 2 *")
        )
    return f"/v1/cronjobs/default/{name}"


@pytest.fixture
async def http(daemon: Daemon) -> AsyncIterator[HTTP]:
    async with connect(daemon) as found:
        yield found


def connect(daemon: Daemon) -> HTTP:
    transport = httpx.AsyncHTTPTransport(uds=daemon.announcement["socket"])
    return HTTP(transport=transport, base_url="http://localhost", timeout=LONGEST_WAIT)


async def test_a_repetition_gets_the_first_answer_even_after_a_kill(daemon: Daemon) -> None:
    trigger = await create(daemon, "once") + "/trigger"
    headers = {"Idempotency-Key": "once"}
    async with connect(daemon) as http:
        first = await http.post(trigger, content="{}", headers=headers)
        again = await http.post(trigger, content="{}", headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.content == again.content
        other = await http.post(trigger, content='{"env":[{"name":"A","value":"b"}]}', headers=headers)
        assert other.status_code == 422
    await daemon.kill()
    await daemon.start()
    async with connect(daemon) as http:
        assert (await http.post(trigger, content="{}", headers=headers)).content == first.content
        runs = (await http.get("/v1/executions?filter=name:once")).json()["items"]
        assert [run["id"] for run in runs] == [first.json()["id"]]


async def kill_before_answer(daemon: Daemon, header: str) -> None:
    """Kill the daemon, as if it had not yet stored the answer under that Idempotency-Key, and start it."""
    await daemon.kill()
    history = await History.open(daemon.state / "history", clock=SystemClock())
    answers = Records(history.table("answers"), idempotency.StoredAnswer)
    answer = answers.get(idempotency.record_id_of(os.getuid(), header))
    assert answer is not None
    answers.put(msgspec.structs.replace(answer, state="begun", body="", status=0))
    await history.commit()
    await history.close()
    await daemon.start()


async def test_what_was_created_before_a_kill_is_the_requests_own_and_a_namesake_is_not(
    daemon: Daemon,
) -> None:
    cronjob = {"name": "own", "image": "busybox", "command": ["true"], "schedule": "0 2 29 2 *"}
    storage = {"id": "own", "kind": "local", "settings": {"path": str(daemon.state.parent / "own")}}
    for path, body in (("/v1/cronjobs", cronjob), ("/v1/storages", storage)):
        headers = {"Idempotency-Key": f"own {path}"}
        async with connect(daemon) as http:
            first = await http.post(path, json=body, headers=headers)
            assert first.status_code in (201, 202), first.text
        await kill_before_answer(daemon, headers["Idempotency-Key"])
        async with connect(daemon) as http:
            again = await http.post(path, json=body, headers=headers)
            assert again.status_code == first.status_code, again.text
            assert again.json()["created_at"] == first.json()["created_at"]
    headers = {"Idempotency-Key": "own /v1/cronjobs"}
    await replace_by_namesake(daemon, "own")
    await kill_before_answer(daemon, headers["Idempotency-Key"])
    async with connect(daemon) as http:
        refused = await http.post("/v1/cronjobs", json=cronjob, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "NameTaken")


async def replace_by_namesake(daemon: Daemon, name: str) -> None:
    """Delete a CronJob and create another one of its name, as somebody else may."""
    cluster = await daemon.cluster()
    await cluster.delete(paths.cronjobs("default", name))
    body = {"metadata": {"name": name}, "spec": mounting()}
    await cluster.create(paths.cronjobs("default"), body)
    await cluster.close()


async def test_a_foreign_job_of_a_triggers_name_is_no_run_of_it_and_stays(daemon: Daemon, http: HTTP) -> None:
    trigger = await create(daemon, "squatted") + "/trigger"
    name = f"squatted-manual-{idempotency.record_id_of(os.getuid(), 'guessed')[:12]}"
    cluster = await daemon.cluster()
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox", "command": ["true"]}]}
    await cluster.create(
        paths.jobs("default"), {"metadata": {"name": name}, "spec": {"template": {"spec": pod}}}
    )
    refused = await http.post(trigger, content="{}", headers={"Idempotency-Key": "guessed"})
    assert (refused.status_code, refused.json()["code"]) == (409, "NameTaken")
    assert (await cluster.get(paths.jobs("default", name)))["metadata"]["name"] == name
    await cluster.close()


async def test_no_policy_is_written_in_a_reserved_namespace(daemon: Daemon, http: HTTP) -> None:
    """A policy's hooks and dumps run in the CronJob's namespace, and could read the keys that are there."""
    cluster = await daemon.cluster()
    meta = {"name": "theirs", "namespace": "kube-system"}
    await cluster.create(paths.cronjobs("kube-system"), {"metadata": meta, "spec": mounting(CLAIM)})
    await cluster.close()
    path = "/v1/cronjobs/kube-system/theirs"

    async def look() -> int:
        return (await http.get(path)).status_code

    await eventually(look, lambda status: status == 200)
    refused = await http.put(path + "/policy", json={"storage_id": "vault"})
    assert (refused.status_code, refused.json()["code"]) == (403, "Denied")
    assert "reserved for Kubernetes itself" in refused.json()["detail"]


async def test_a_write_for_an_older_version_is_refused(daemon: Daemon, http: HTTP) -> None:
    path = await create(daemon, "older")
    tag = (await http.get(path)).headers["ETag"]
    assert (await http.get(path, headers={"If-None-Match": tag})).status_code == 304
    done = await http.post(path + "/suspend", content="{}", headers={"If-Match": tag})
    assert done.status_code == 200
    late = await http.post(path + "/resume", content="{}", headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "PreconditionFailed")
    now = done.headers["ETag"]
    assert (await http.post(path + "/resume", content="{}", headers={"If-Match": now})).status_code == 200


async def test_a_dry_run_changes_nothing_and_says_what_it_would_do(daemon: Daemon, http: HTTP) -> None:
    path = await create(daemon, "dry")
    before = (await http.get(path)).headers["ETag"]
    for verb in ("suspend", "trigger", "backup"):
        answer = await http.post(f"{path}/{verb}?dry_run=true", content="{}")
        assert answer.status_code == 200
        assert answer.json()["object"]["name"] == "dry"
    assert (await http.get(path)).headers["ETag"] == before
    assert (await http.post("/v1/cronjobs/default/no/suspend?dry_run=true", content="{}")).status_code == 404


async def test_bodies_deeper_than_32_are_refused_whatever_strings_hold(http: HTTP) -> None:
    deep = "[" * 33 + "]" * 33
    answer = await http.post(TRIGGER, content='{"env":' + deep + "}")
    assert "nested more than 32 levels deep" in answer.json()["detail"]
    text = '{"env":[{"name":"A","value":"' + "[{" * 50 + '"}]}'
    assert (await http.post(TRIGGER + "?dry_run=true", content=text)).status_code == 200


async def create_vault(daemon: Daemon) -> None:
    """Create the storage `vault` and wait until it can be used."""
    async with daemon.client() as client:
        folder = daemon.state.parent / "vault"
        with suppress(NameTaken):
            await client.storages.create(
                BackupStorageCreate(
                    id="vault", kind="local", settings={"path": str(folder)}, namespaces=("default",)
                )
            )
        await eventually(lambda: client.storages.get("vault"), lambda s: s.status == "active")


async def test_a_storage_warns_of_a_namespace_that_is_probably_misspelt(daemon: Daemon) -> None:
    await create_vault(daemon)
    async with daemon.client() as client:
        change = BackupStorageChange(allow_namespaces=("defualt", "production"))
        (warning,) = (await client.storages.change("vault", change)).namespace_warnings
        assert warning == "No CronJob is in the namespace defualt yet. Did you mean default?"
        back = BackupStorageChange(deny_namespaces=("defualt", "production"))
        assert (await client.storages.change("vault", back)).namespace_warnings == ()


def mounting(*volumes: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a CronJob that mounts volumes at their names."""
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
    main = {"name": "main", "image": "busybox", "volumeMounts": mounts}
    pod = {"restartPolicy": "Never", "containers": [main], "volumes": list(volumes)}
    return {"schedule": "0 2 29 2 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}


CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
HOST = {"name": "host", "hostPath": {"path": "/srv"}}
SCRATCH = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"],
           "resources": {"requests": {"storage": "1Gi"}}}}}}  # fmt: skip
POLICY = {object_keys.POLICY: '{"storage_id": "vault"}'}


def manifest(name: str, *volumes: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """Return the Kubernetes manifest of a CronJob with a policy."""
    meta = {"name": name, "namespace": "default", "annotations": POLICY | annotations}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": mounting(*volumes)}


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_a_policy_with_nothing_to_archive_is_refused_at_once(
    daemon: Daemon, http: HTTP, query: str
) -> None:
    await create_vault(daemon)
    bare = await create(daemon, "bare-dry" if query else "bare")
    spec = (await http.get(bare + "/spec")).json() | {"policy": {"storage_id": "vault"}}
    tag = (await http.get(bare + "/spec")).headers["ETag"]
    answers = [
        await http.post("/v1/cronjobs" + query, json=spec | {"name": "nothing"}),
        await http.put(bare + query, json=spec, headers={"If-Match": tag}),
        await http.post("/v1/cronjobs/apply" + query, json=manifest("nothing", HOST, SCRATCH)),
        await http.put(bare + "/policy", json={"storage_id": "vault"}),
        await http.put(bare + "/policy", json={"storage_id": "vault", "include": {"volumes": False}}),
    ]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(422, "NothingToArchive")] * 5
    assert "host (hostPath) at /host, scratch (ephemeral) at /scratch" in answers[2].json()["detail"]
    assert all(answer.json()["next_step"] for answer in answers)
    assert (await http.get("/v1/cronjobs/default/nothing")).status_code == 404


async def test_what_an_applied_policy_leaves_out_is_reported_and_the_last_claim_stays(
    daemon: Daemon, http: HTTP
) -> None:
    await create_vault(daemon)
    whole = manifest("partly", CLAIM, HOST, SCRATCH)
    for query in ("?dry_run=true", ""):
        applied = (await http.post("/v1/cronjobs/apply" + query, json=whole)).json()
        left_out = applied["cronjob"]["unarchived_volumes"]
        (warning,) = applied["cronjob"]["claim_warnings"]
        assert warning.startswith("There is no PersistentVolumeClaim default/data")
        assert [(v["name"], v["kind"], v["mount_path"]) for v in left_out] == [
            ("host", "hostPath", "/host"),
            ("scratch", "ephemeral", "/scratch"),
        ]
    (view,) = (await http.get("/v1/policies?filter=name:partly")).json()["items"]
    assert view["unarchived_volumes"] == left_out
    key = {"storage_id": "vault", "encryption": {"key": {"secret": "own-key", "key": "password"}}}
    written = (await http.put("/v1/cronjobs/default/partly/policy", json=key)).json()
    assert written["claim_warnings"][1:] == [
        "There is no Secret default/own-key, which the policy needs: "
        "kubectl -n default create secret generic own-key --from-literal=password=..."
    ]
    refused = await http.post("/v1/cronjobs/apply", json=manifest("partly", HOST))
    assert (refused.status_code, refused.json()["code"]) == (422, "NothingToArchive")


async def test_an_edit_keeps_volumes_that_are_no_claims_and_tells_that_they_are_not_archived(
    daemon: Daemon, http: HTTP
) -> None:
    await create_vault(daemon)
    settings = {"name": "settings", "configMap": {"name": "settings"}}
    body = manifest("mixed", HOST, CLAIM, settings)
    body["metadata"]["annotations"] = {}
    assert (await http.post("/v1/cronjobs/apply", json=body)).status_code == 200
    path = "/v1/cronjobs/default/mixed"
    spec = (await http.get(path + "/spec")).json()
    assert [volume["claim"] for volume in spec["volumes"]] == ["data"]
    assert [(v["name"], v["kind"]) for v in spec["other_volumes"]] == [
        ("host", "hostPath"),
        ("settings", "configMap"),
    ]
    edited = spec | {"image": "busybox:2", "policy": {"storage_id": "vault"}}
    changed = (await http.put(path, json=edited)).json()
    assert [volume["name"] for volume in changed["unarchived_volumes"]] == ["host"]
    again = (await http.get(path + "/spec")).json()
    assert (again["other_volumes"], again["volumes"]) == (spec["other_volumes"], spec["volumes"])
    for others in ([], [spec["other_volumes"][1]]):
        refused = await http.put(path, json=edited | {"other_volumes": others})
        assert (refused.status_code, refused.json()["code"]) == (422, "InvalidRequest")
    copied = await http.post("/v1/cronjobs", json=edited | {"name": "copied"})
    assert (copied.status_code, copied.json()["code"]) == (422, "InvalidRequest")


async def test_a_part_of_a_claim_is_not_lost_by_an_edit(daemon: Daemon, http: HTTP) -> None:
    body = manifest("parted", CLAIM)
    body["metadata"]["annotations"] = {}
    pod = body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMounts"][0]["subPath"] = "app"
    assert (await http.post("/v1/cronjobs/apply", json=body)).status_code == 200
    refused = await http.get("/v1/cronjobs/default/parted/spec")
    assert (refused.status_code, refused.json()["code"]) == (409, "NotAllowedNow")


async def test_checking_a_storage_is_an_operation(daemon: Daemon, http: HTTP) -> None:
    await create_vault(daemon)
    begun = await http.post("/v1/storages/vault/check", content="{}")
    assert begun.status_code == 202
    path = f"/v1/operations/{begun.json()['id']}"

    async def look() -> dict[str, str]:
        found: dict[str, str] = (await http.get(path)).json()
        return found

    ended = await eventually(look, lambda o: o["status"] != "running")
    assert (ended["kind"], ended["target"], ended["status"]) == ("check", "vault", "succeeded")


async def test_one_user_has_eight_streams_and_hears_why_there_is_no_ninth(daemon: Daemon) -> None:
    """Twice: a reader that has left is no longer counted, whether or not a change was sent to it."""
    for _ in range(2):
        connections = [await asyncio.open_unix_connection(daemon.announcement["socket"]) for _ in range(9)]
        heads = []
        for reader, writer in connections:
            writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            heads.append(await reader.readline())
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
        assert [b" 200 " in head for head in heads] == [True] * 8 + [False]
        assert b" 429 " in heads[-1]


async def test_the_33rd_connection_is_told_to_wait_and_half_a_header_is_closed(daemon: Daemon) -> None:
    connections = [await asyncio.open_unix_connection(daemon.announcement["socket"]) for _ in range(32)]
    for _, writer in connections:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: loc")
    reader, last = await asyncio.open_unix_connection(daemon.announcement["socket"])
    assert b" 503 " in await reader.readline()
    assert [await found.read() for found, _ in connections] == [b""] * 32
    for writer in [last, *(w for _, w in connections)]:
        writer.close()
        await writer.wait_closed()


async def test_events_are_filtered_by_table_and_by_the_lists_grammar(daemon: Daemon, http: HTTP) -> None:
    seq = (await http.get("/v1/snapshot")).json()["seq"]
    run = (await http.post(TRIGGER, content="{}")).json()["id"]
    headers = {"Last-Event-ID": str(seq)}
    query = "table=executions&filter=status:succeeded"
    async with http.stream("GET", f"/v1/events?{query}", headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                break
    assert run in line
    assert '"status":"succeeded"' in line
    assert (await http.get("/v1/events?table=secrets")).status_code == 422


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
async def test_refusals_are_in_the_audit_trail_with_who_and_from_where(daemon: Daemon, http: HTTP) -> None:
    await request_as_nobody(daemon, "/v1/cronjobs")
    newest = (await http.get("/v1/audit?limit=1")).json()["items"][0]
    assert (newest["uid"], newest["outcome"], newest["route"]) == (65534, "Denied", "/v1/cronjobs")
    assert newest["program"].startswith("evil")
    assert newest["program"].isprintable()
    assert len(newest["program"]) <= 80


async def test_a_cronjob_is_read_as_a_spec_changed_and_put_back(daemon: Daemon) -> None:
    await create(daemon, "spec")
    async with daemon.client() as client:
        spec = await client.cronjobs.spec("default", "spec")
        assert (spec.image, spec.command, spec.schedule) == ("busybox", ("true",), "0 2 29 2 *")
        changed = msgspec.structs.replace(spec, schedule="0 3 * * *", time_zone="Europe/Berlin", command=())
        assert (await client.cronjobs.replace(changed, dry_run=True)).schedule == "0 3 * * *"
        assert (await client.cronjobs.get("default", "spec")).schedule == "0 2 29 2 *"
        await client.cronjobs.replace(changed)
        assert await client.cronjobs.spec("default", "spec") == changed
        await client.cronjobs.replace(spec)
        assert await client.cronjobs.spec("default", "spec") == spec


async def test_who_changes_a_spec_that_has_changed_meanwhile_is_warned_and_a_run_is_no_change(
    daemon: Daemon,
) -> None:
    await create(daemon, "shared")
    async with daemon.client() as client:
        mine = await client.cronjobs.spec_with_tag("default", "shared")
        before = await client.cronjobs.get("default", "shared")
        await client.cronjobs.trigger("default", "shared")
        await eventually(
            lambda: client.cronjobs.get("default", "shared"),
            lambda c: c.resource_version != before.resource_version,
        )
        theirs = msgspec.structs.replace(mine.spec, schedule="0 3 * * *")
        await client.cronjobs.replace(theirs, if_match=mine.tag)
        for dry_run in (True, False):
            with pytest.raises(PreconditionFailed, match="has changed since"):
                await client.cronjobs.replace(mine.spec, if_match=mine.tag, dry_run=dry_run)
        newest = await client.cronjobs.spec_with_tag("default", "shared")
        assert newest.spec == theirs
        await client.cronjobs.replace(mine.spec, if_match=newest.tag)


async def test_what_is_no_http_is_a_problem_and_not_a_line_in_the_log(daemon: Daemon) -> None:
    reader, writer = await asyncio.open_unix_connection(daemon.announcement["socket"])
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b" 400 " in answer
    assert b'"code":"InvalidRequest"' in answer
    assert "Traceback" not in daemon.log.read_text()


async def test_a_trigger_brings_no_secret_into_a_run(http: HTTP) -> None:
    env = [{"name": "A", "secret": {"secret": "kronkeep-storage-vault"}}]
    refused = await http.post(TRIGGER, json={"env": env})
    assert (refused.status_code, refused.json()["code"]) == (422, "InvalidRequest")
    assert "a Secret is named in the CronJob" in refused.json()["detail"]
    assert (await http.post(TRIGGER, json={"env": [{"name": "A", "value": "1"}]})).status_code == 201


async def test_an_annotation_that_names_a_storage_of_others_is_reported_before_its_backup_fails(
    daemon: Daemon, http: HTTP
) -> None:
    await create_vault(daemon)
    async with daemon.client() as client:
        for name, policy in (("ours", "vault"), ("theirs", "nowhere")):
            body = {
                "metadata": {
                    "name": name,
                    "annotations": {object_keys.POLICY: f'{{"storage_id": "{policy}"}}'},
                },
                "spec": mounting(CLAIM),
            }
            cluster = await daemon.cluster()
            await cluster.create(paths.cronjobs("default"), body)
            await cluster.close()
            await eventually(partial(http.get, f"/v1/cronjobs/default/{name}"), is_found)
        assert (await client.cronjobs.get("default", "ours")).storage_refusal is None
        refusal = (await client.cronjobs.get("default", "theirs")).storage_refusal or ""
        assert "There is no storage 'nowhere'." in refusal
        await client.storages.change("vault", BackupStorageChange(namespaces=("other",)))
        refusal = (await client.cronjobs.get("default", "ours")).storage_refusal or ""
        assert "does not serve the namespace default" in refusal
        assert "--allow-namespace default" in refusal
        await client.storages.change("vault", BackupStorageChange(namespaces=("default",)))


def is_found(answer: httpx.Response) -> bool:
    return answer.status_code == 200

"""Two clusters with equal uids, as after a restore of etcd: each has its own runs and records."""

import json
from pathlib import Path
from typing import Any

from tests.integration.watch.daemon_sections import command, daemon_of
from tests.integration.watch.world import World, job
from tests.waiting import eventually

from kronkeep_common import object_keys
from kronkeep_common.alert_codes import AlertCode
from kronkeep_common.client import Client

POLICY = json.dumps({"storage_id": "vault"})


def cluster_of(name: str, *, bad: bool) -> World:
    """A cluster with a CronJob that has a policy, and its run; their uids are those of the other cluster."""
    world = World()
    world.uid = f"cluster-{name}"
    meta = {
        "name": "dump",
        "namespace": "shop",
        "uid": "dump-uid",
        "annotations": {object_keys.POLICY: POLICY},
    }
    world.put("cronjobs", {"metadata": meta, "spec": {"schedule": "0 2 29 2 *"}})
    world.put("jobs", job("dump-1", "run-1", ended=True, bad=bad))
    return world


async def records(client: Client) -> dict[str, Any]:
    """Return what there is of each cluster, by the cluster's id."""
    cronjobs = (await client.cronjobs.list()).items
    policies = {policy.cluster: policy.id for policy in (await client.policies.list()).items}
    failed = [alert for alert in (await client.alerts.list()).items if alert.code == AlertCode.RUN_FAILED]
    return {
        cronjob.cluster: (
            cronjob.id,
            [str(status) for status in cronjob.recent],
            [(run.id, run.cluster) for run in (await client.runs.list(cronjob_id=cronjob.id)).items],
            policies.get(cronjob.cluster),
            [alert.cluster for alert in failed if alert.cronjob_id == cronjob.id],
        )
        for cronjob in cronjobs
    }


def is_whole(answer: dict[str, Any]) -> bool:
    return (
        set(answer) == {"cluster-east", "cluster-west"}
        and all(row[1] and row[3] for row in answer.values())
        and any(row[4] for row in answer.values())
    )


async def test_each_has_its_own_runs_policy_and_alert_also_after_another_start(tmp_path: Path) -> None:
    for name in ("east", "west"):
        (tmp_path / name).mkdir()
    async with (
        cluster_of("east", bad=False).serve(tmp_path / "east"),
        cluster_of("west", bad=True).serve(tmp_path / "west"),
        daemon_of(tmp_path, "east", "west") as daemon,
    ):
        async with daemon.client() as client:
            answer = await eventually(lambda: records(client), is_whole, 60)
            east, west = answer["cluster-east"], answer["cluster-west"]
            assert (east[1], west[1]) == (["succeeded"], ["failed"])
            assert [cluster for _, cluster in east[2]] == ["cluster-east"]
            assert [cluster for _, cluster in west[2]] == ["cluster-west"]
            assert (east[4], west[4]) == ([], ["cluster-west"])
            for place in (0, 3):  # ids of CronJob and policy
                assert east[place] != west[place]
            (run_id, _), *_ = west[2]
            assert (await client.runs.get(run_id)).status == "failed"
            code, text = await command(daemon, "describe", "execution", run_id)
            assert (code, "cluster-west" in text) == (0, True), text
        await daemon.stop()
        settings = tmp_path / "kronkeepd.toml"
        head, first, second = settings.read_text().partition("[clusters.east]")[0], "west", "east"
        sections = [
            f'[clusters.{name}]\nkubeconfig = "{tmp_path / name / "kubeconfig"}"' for name in (first, second)
        ]
        settings.write_text("\n".join([head, *sections]))
        await daemon.start()
        async with daemon.client() as client:
            assert await eventually(lambda: records(client), is_whole, 60) == answer

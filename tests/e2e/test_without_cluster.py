"""A daemon whose cluster is away at its start serves its history, says so, and continues when it is back."""

from pathlib import Path

from tests.cluster_proxy import daemon_behind_proxy
from tests.waiting import eventually

from kronkeep_common.models import CronJobCreate


async def test_a_start_without_the_cluster_shows_the_history_and_catches_up(tmp_path: Path) -> None:
    async with daemon_behind_proxy(tmp_path) as (daemon, proxy, _):
        spec = CronJobCreate(name="kept", image="busybox:1.36", command=("true",), schedule="0 2 29 2 *")
        async with daemon.client() as client:
            await client.cronjobs.create(spec)
            run = await client.cronjobs.trigger("default", "kept")
            await eventually(lambda: client.runs.get(run.id), lambda r: r.status == "succeeded")
        await daemon.kill()
        proxy.down = True
        await daemon.start()
        async with daemon.client() as client:
            page = await client.runs.list()
            assert [listed.id for listed in page.items] == [run.id]
            assert page.stale_since is not None
            assert not (await client.ready()).ready
            assert [cluster.name for cluster in (await client.snapshot()).clusters] == ["far"]
            proxy.down = False
            back = await eventually(client.runs.list, lambda answer: answer.stale_since is None)
            assert [listed.id for listed in back.items] == [run.id]
            assert (await client.cronjobs.trigger("default", "kept")).cluster == run.cluster

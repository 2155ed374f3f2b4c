"""Unusual backups reach a daemon that has another history, until somebody acknowledges them."""

import msgspec
from tests.records import make_backup
from tests.waiting import eventually

from kronkeep_common.clock import SystemClock
from kronkeep_daemon.backups.shared_unusual import SharedUnusual
from kronkeep_daemon.embedded import EmbeddedCluster
from kronkeep_daemon.events import BackupChanged, Bus
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.clusters import Clusters
from kronkeep_daemon.settings import Settings
from kronkeep_daemon.supervisor import Supervisor


async def test_what_is_unusual_is_shared_until_it_is_acknowledged(embedded_cluster: EmbeddedCluster) -> None:
    cluster = await Cluster.connect(kubeconfig=embedded_cluster.kubeconfig)
    clock = SystemClock()
    supervisors = [Supervisor(clock) for _ in range(2)]
    buses = [Bus(), Bus()]
    first, second = (
        SharedUnusual(
            clusters=Clusters([cluster]), bus=bus, clock=clock, settings=Settings, supervisor=supervisor
        )
        for bus, supervisor in zip(buses, supervisors, strict=True)
    )
    assert await second.fetch(cluster.id) == {}
    usual = make_backup(id="b1", cluster=cluster.id)
    unusual = msgspec.structs.replace(usual, unusual=("It has half of the files.",))
    other = msgspec.structs.replace(unusual, id="b2", unusual=("Nothing is new." * 100,))
    buses[0].publish(BackupChanged(usual, unusual))
    buses[0].publish(BackupChanged(None, other))
    shared = await eventually(lambda: second.fetch(cluster.id), lambda words: len(words) == 2)
    assert shared["b1"] == ("It has half of the files.",)
    assert len(shared["b2"][0]) == 500
    # The other daemon, which acts now, learns of the acknowledgement.
    known = msgspec.structs.replace(unusual, unusual_acknowledged_at=clock.now())
    buses[1].publish(BackupChanged(unusual, known))
    left = await eventually(lambda: first.fetch(cluster.id), lambda words: len(words) == 1)
    assert set(left) == {"b2"}
    for supervisor in supervisors:
        await supervisor.close()
    await cluster.close()

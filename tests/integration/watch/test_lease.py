"""Of two daemons one acts: the Lease on a real API server of ours."""

from datetime import UTC, datetime

from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.lease import Leadership
from kronkeep_daemon.testing import FakeClock


def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC).replace(microsecond=0))


async def test_one_leads_until_it_stops_renewing(cluster: Cluster) -> None:
    time = clock()
    one, two = (
        Leadership(cluster=cluster, namespace="kronkeep", holder=name, clock=time) for name in ("one", "two")
    )
    await one.refresh()
    await two.refresh()
    assert (one.leads(), two.leads(), two.other) == (True, False, "one")
    await time.advance(9)
    await one.refresh()
    await time.advance(9)
    await two.refresh()
    assert (one.leads(), two.leads()) == (True, False)
    await time.advance(7)
    assert not one.leads(), "it may not rely on what it could not renew for ten seconds"
    await two.refresh()
    assert (one.leads(), two.leads()) == (False, True)
    await one.refresh()
    assert (one.leads(), two.leads()) == (False, True)


async def test_what_is_given_back_is_taken_at_once(cluster: Cluster) -> None:
    time = clock()
    one, two = (
        Leadership(cluster=cluster, namespace="kronkeep", holder=name, clock=time) for name in ("one", "two")
    )
    await one.refresh()
    await one.release()
    await two.refresh()
    assert (one.leads(), two.leads()) == (False, True)


async def test_a_restart_is_the_same_holder(cluster: Cluster) -> None:
    time = clock()
    await Leadership(cluster=cluster, namespace="kronkeep", holder="one", clock=time).refresh()
    again = Leadership(cluster=cluster, namespace="kronkeep", holder="one", clock=time)
    await again.refresh()
    assert again.leads()


async def test_of_two_at_the_same_moment_one_wins(cluster: Cluster) -> None:
    import asyncio

    time = clock()
    all_of_them = [
        Leadership(cluster=cluster, namespace="kronkeep", holder=f"d{number}", clock=time)
        for number in range(8)
    ]
    await asyncio.gather(*(one.refresh() for one in all_of_them))
    assert sum(one.leads() for one in all_of_them) == 1

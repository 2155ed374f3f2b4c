"""Several clusters in the terminal: which one a row is of is shown, and what is asked goes to it."""

import msgspec
from tests.ui.canned import CRONJOBS, CannedClient
from tests.ui.driving import app_of, screen, until

from kronkeep_common.api import ClusterView


def two() -> CannedClient:
    """The same CronJob on `east` and on `west`."""
    one = msgspec.structs.replace(CRONJOBS[0], cluster="uid-e")
    other = msgspec.structs.replace(CRONJOBS[0], id="other", cluster="uid-w")
    client = CannedClient(cronjobs=[one, other], runs=[], backups=[])
    client.clusters = [ClusterView(id="uid-e", name="east"), ClusterView(id="uid-w", name="west")]
    return client


async def test_the_column_is_there_with_several_and_filters_and_changes_heed_it() -> None:
    client = two()
    async with app_of(client, start="jobs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "CLUSTER" in screen(pilot))
        assert " east " in screen(pilot)
        await pilot.press("/", *"cluster:west", "enter")
        await until(pilot, lambda: " east " not in screen(pilot))
        await pilot.press("s", "y")
        await until(pilot, lambda: client.asked)
        assert client.cluster == "uid-w"
        await pilot.press("e")
        await until(pilot, lambda: "edit default/" in screen(pilot))


async def test_with_one_there_is_no_column() -> None:
    client = two()
    client.clusters.pop()
    async with app_of(client, start="jobs").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "NAME" in screen(pilot))
        assert "CLUSTER" not in screen(pilot)

"""A word that means nothing is refused with the words that there are: it never looks like good news."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.command_line import run_kronkeep
from tests.daemon_process import Daemon

from kronkeep_common.models import CronJobCreate


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon_process = Daemon(tmp_path_factory.mktemp("u") / "s")
    asyncio.run(daemon_process.start())

    async def fill() -> None:
        async with daemon_process.client() as client:
            spec = CronJobCreate(name="shop-db-dump", image="busybox", schedule="0 2 29 2 *")
            await client.cronjobs.create(spec)

    asyncio.run(fill())
    yield daemon_process
    asyncio.run(daemon_process.stop())


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("get executions --filter status:fialed", "Did you mean failed?"),
        ("get backups --filter status:completed", "There are: "),
        ("get alerts --filter severity:crit", "Did you mean critical?"),
        ("get storages --filter status:activ", "Did you mean active?"),
        ("get manifests --filter status:refusd", "Did you mean refused?"),
        ("get cronjobs -n defualt", "Did you mean default?"),
        ("get runs -n nope", "There is no namespace 'nope'."),
        ("watch runs --filter status:fialed", "Did you mean failed?"),
        ("gte cronjobs", "Did you mean get?"),
        ("get cronjbos", "Did you mean cronjobs?"),
        ("storage creat", "Did you mean create?"),
        ("storage create lcal x", "Did you mean local?"),
        ("get runs -o jsno", "Did you mean json?"),
        ("get runs --fliter x", "Did you mean --filter?"),
        ("trigger shop-db-dmp", "Did you mean default/shop-db-dump?"),
        ("trigger shop/shop-db-dump", "Did you mean default/shop-db-dump?"),
        ("trigger nope", "kronkeep get cronjobs"),
        ("describe run ffff0000", "kronkeep get executions"),
        ("storage orphans nope", "There is no storage 'nope'."),
        ("silence --filter ns:default --for 99d --because x", "--for: it must be at most 30d"),
        ("retention shop-db-dump --keep-daily -1", "--keep-daily: it must be at least 0."),
    ],
)
def test_it_is_refused(daemon: Daemon, line: str, advice: str) -> None:
    done = run_kronkeep(daemon, *line.split(" "))
    assert done.returncode in (1, 2), done
    assert done.stdout == ""
    assert advice in done.stderr


@pytest.mark.parametrize("kind", ["cronjob", "cronjobs", "job", "jobs", "cj"])
def test_every_name_of_a_kind_is_known(daemon: Daemon, kind: str) -> None:
    done = run_kronkeep(daemon, "get", kind, "-o", "name")
    assert (done.returncode, done.stdout) == (0, "default/shop-db-dump\n")
    assert run_kronkeep(daemon, "describe", kind, "shop-db-dump").returncode == 0


def test_a_bare_name_has_a_schedule(daemon: Daemon) -> None:
    done = run_kronkeep(daemon, "schedule", "next", "shop-db-dump", "-n", "1")
    assert (done.returncode, "on day 29 of the month in February" in done.stdout) == (0, True), done.stderr


def test_a_refused_option_comes_with_its_own_verbs_usage(daemon: Daemon) -> None:
    done = run_kronkeep(daemon, "trigger", "shop-db-dump", "--wiat")
    assert done.stderr.startswith("usage: kronkeep trigger ")
    assert "Did you mean --wait?" in done.stderr


def test_a_filter_that_nothing_passes_is_no_fault(daemon: Daemon) -> None:
    done = run_kronkeep(daemon, "get", "executions", "--filter", "status:failed ns:default")
    assert (done.returncode, done.stderr) == (0, "Nothing found.\n")

"""A creation of a repository that was interrupted between restic's key and its config."""

from typing import cast

import pytest
from tests.records import vault

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_creation import create_or_open
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs

REPOSITORY = Repository(storage=vault(settings={"path": "/vault"}))
KEYS = [digit * 64 for digit in "ab"]


def job_of(*containers: tuple[str, int, str]) -> FinishedJob:
    results = tuple(
        ContainerResult(name=name, exit_code=code, log=text.encode()) for name, code, text in containers
    )
    is_complete = all(code == 0 for _, code, _ in containers)
    return FinishedJob(complete=is_complete, reason="", message="", containers=results, pod="pod")


THERE = job_of(("init", 1, "Fatal: create repository failed: config file already exists\n"))
DAMAGED = "Fatal: config or key a is damaged: ciphertext verification failed\n"


CONFIG = '{"version":2,"id":"%s","chunker_polynomial":"1"}\n' % ("c" * 64)
INTERRUPTED = StorageFailed("Its node ended.", reason=Reason.INTERRUPTED)


class ScriptedJobs:
    """Jobs that end as they are told to, one after the other."""

    def __init__(self, *ends: FinishedJob | StorageFailed) -> None:
        self._ends = iter(ends)
        self.steps: list[list[str]] = []

    async def run(
        self, name: str, steps: list[tuple[str, list[str]]], *_: object, **__: object
    ) -> FinishedJob:
        self.steps.append([step for step, _ in steps])
        end = next(self._ends)
        if isinstance(end, StorageFailed):
            raise end
        return end


def opened(*key_ids: str) -> FinishedJob:
    return job_of(("keys", 0, "\n".join(key_ids)), ("repository", 0, CONFIG))


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(
            [INTERRUPTED, THERE, opened(*KEYS), job_of(("key-0", 0, CONFIG), ("key-1", 1, DAMAGED))],
            id="the second key does not fit",
        ),
        pytest.param([INTERRUPTED, THERE, job_of(("keys", 1, DAMAGED))], id="the first is tried at once"),
        pytest.param(
            [THERE, opened(*KEYS), job_of(("key-0", 1, DAMAGED))], id="another daemon was interrupted"
        ),
    ],
)
async def test_a_key_that_does_not_fit_the_config_is_never_an_active_storage(
    ends: list[FinishedJob | StorageFailed],
) -> None:
    jobs = ScriptedJobs(*ends)
    with pytest.raises(StorageFailed) as fault:
        await create_or_open(cast(RepositoryJobs, jobs), REPOSITORY, "mark", 60)
    assert fault.value.details["reason"] == Reason.CONFIG_LOST


async def test_one_key_after_an_interrupted_creation_is_opened() -> None:
    jobs = ScriptedJobs(INTERRUPTED, THERE, opened(KEYS[0]))
    assert await create_or_open(cast(RepositoryJobs, jobs), REPOSITORY, "mark", 60) == "c" * 64
    assert jobs.steps[-1] == ["keys", "repository"]


async def test_a_repository_whose_keys_all_fit_is_opened_also_after_an_interruption() -> None:
    jobs = ScriptedJobs(INTERRUPTED, THERE, opened(*KEYS), job_of(("key-0", 0, CONFIG), ("key-1", 0, CONFIG)))
    assert await create_or_open(cast(RepositoryJobs, jobs), REPOSITORY, "mark", 60) == "c" * 64
    assert jobs.steps[-1] == ["key-0", "key-1"]

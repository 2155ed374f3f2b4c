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


class ScriptedJobs:
    """Jobs that end as they are told to, one after the other; the first is interrupted."""

    def __init__(self, *jobs: FinishedJob) -> None:
        self._jobs = iter(jobs)
        self.steps: list[list[str]] = []

    async def run(
        self, name: str, steps: list[tuple[str, list[str]]], *_: object, **__: object
    ) -> FinishedJob:
        self.steps.append([step for step, _ in steps])
        if name.endswith("-0"):
            raise StorageFailed("Its node ended.", reason=Reason.INTERRUPTED)
        return next(self._jobs)


@pytest.mark.parametrize(
    "opening",
    [
        job_of(("keys", 0, "\n".join(KEYS)), ("repository", 0, '{"id":"c"}\n')),
        job_of(("keys", 1, DAMAGED)),
    ],
)
async def test_two_keys_after_an_interrupted_creation_are_never_an_active_storage(
    opening: FinishedJob,
) -> None:
    jobs = ScriptedJobs(THERE, opening)
    with pytest.raises(StorageFailed) as fault:
        await create_or_open(cast(RepositoryJobs, jobs), REPOSITORY, "mark", 60)
    assert fault.value.details["reason"] == Reason.CONFIG_LOST


async def test_one_key_after_an_interrupted_creation_is_opened() -> None:
    config = '{"version":2,"id":"%s","chunker_polynomial":"1"}\n' % ("c" * 64)
    jobs = ScriptedJobs(THERE, job_of(("keys", 0, KEYS[0]), ("repository", 0, config)))
    assert await create_or_open(cast(RepositoryJobs, jobs), REPOSITORY, "mark", 60) == "c" * 64
    assert jobs.steps[-1] == ["keys", "repository"]

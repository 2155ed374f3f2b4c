"""Makes a repository, or takes the one that is there; what is there is never written over.

One Job makes a new one: `restic init`, then a second container, which has none of the first one's files but
the volumes, opens it and lists its keys. restic refuses to make one where there is a config; then a second
Job opens what is there. Jobs have names that their caller can say again, so that a daemon which was killed
finds them instead of running a second `init` beside the first.
"""

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_daemon.jobs.outcome import FinishedJob
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, Steps, because, failed
from kronkeep_daemon.restic import cat, init, keys
from kronkeep_daemon.restic.faults import Fault

ATTEMPTS = 8  # of Jobs that were cut off


def opening_steps(repository: Repository) -> Steps:
    """Opens the repository, connecting first where only that tells why it cannot be done."""
    return [*_connection_steps(repository), ("repository", cat.argv())]


def _creation_steps(repository: Repository) -> Steps:
    return [*_connection_steps(repository), ("init", init.argv()), ("repository", keys.argv())]


def _connection_steps(repository: Repository) -> Steps:
    connect = repository.access.connection_test
    return [("connect", list(connect))] if connect else []


async def create_or_open(jobs: RepositoryJobs, repository: Repository, mark: str, seconds: float) -> None:
    """Makes the repository or opens the one that is there, while the caller holds it.

    `mark` is six characters that say which making this is: the same ones go on with the same Jobs. What was
    cut off, as by the end of its node, begins again. Raises StorageFailed, with NotKept where the second
    container did not find what the first had made, and ConfigLost where keys of another were there.
    """
    name = f"{repository.storage.id[:30]}-{mark}"
    for attempt in range(ATTEMPTS):
        try:
            return await _try_once(jobs, repository, f"{name}-{attempt}", seconds)
        except StorageFailed as fault:
            if _reason_of(fault) != Reason.INTERRUPTED:
                raise
    raise StorageFailed("The storage's Jobs were cut off again and again.", reason=Reason.INTERRUPTED)


async def _try_once(jobs: RepositoryJobs, repository: Repository, name: str, seconds: float) -> None:
    ended = await jobs.run(f"kronkeep-init-{name}", _creation_steps(repository), repository, seconds)
    fault = _creation_fault(ended)
    if fault is not None and _reason_of(fault) == Reason.REPOSITORY_THERE:
        ended = await jobs.run(f"kronkeep-open-{name}", opening_steps(repository), repository, seconds)
        fault = failed(ended)
    if fault is not None:
        raise fault


def _creation_fault(ended: FinishedJob) -> StorageFailed | None:
    """Why the repository was not made; keys beside its own are the rest of another."""
    fault = failed(ended)
    created = ended.container("init")
    opened = ended.container("repository")
    if fault is None and opened is not None:
        return because(Fault.of(Reason.CONFIG_LOST)) if len(keys.parse(opened.log)) > 1 else None
    missing = fault is not None and _reason_of(fault) == Reason.REPOSITORY_MISSING
    if missing and created is not None and created.exit_code == 0:
        return because(Fault.of(Reason.NOT_KEPT))
    return fault


def _reason_of(fault: StorageFailed) -> str:
    return str(fault.details.get("reason", ""))

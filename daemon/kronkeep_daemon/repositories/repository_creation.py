"""Creation of a repository, by its storage or at its first use; an existing one is opened, never overwritten.

One Job creates it with `restic init`; a second container of that Job, which shares nothing with the first
but the volumes, opens it and lists its keys. restic refuses to create a repository where there is a config;
then a second Job opens what is there, and a third tries each key where there are several. The names of the
Jobs follow from the arguments, so a daemon that was killed finds its Jobs instead of running a second `init`
beside the first.

restic writes the key first and the config after it. One that was killed between the two leaves a key that our
password opens and that fits no config: restic 0.19 refuses to create a repository there, and 0.14 makes a
second key, after which each command opens the repository or calls it damaged, by the order of two file names.
Keys that somebody has added are of other passwords, or fit the config; only a key that does not is a fault.
"""

from kronkeep_common.errors import StorageFailed
from kronkeep_common.reasons import Reason
from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.jobs.outcome import ContainerResult, FinishedJob
from kronkeep_daemon.repositories import job_names
from kronkeep_daemon.repositories.folder_passwords import FolderPasswords
from kronkeep_daemon.repositories.job_manifests import Steps
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs, storage_error, storage_failure
from kronkeep_daemon.restic import cat, init, keys
from kronkeep_daemon.restic.faults import Fault

IDENTITY_STEP = "repository"  # the container that opens the repository and prints its id
KEYS_STEP = "keys"
CREATION = "creation"  # the task of who holds a repository that is being created
MOST_ATTEMPTS = 8  # while Jobs are interrupted
FIRST_USE_SECONDS = 600.0  # for a Job that creates a repository of a namespace, a policy or copies
STORAGE_LETTERS = 8  # of a storage in the names of its Jobs, which have 57 letters at most


def opening_steps(repository: Repository, repository_id: str = "") -> Steps:
    """Return the steps that open the repository, after a connection test where the storage has one.

    repository_id: the id that it must have; empty where any repository will do.
    """
    return [*_connection_steps(repository), (IDENTITY_STEP, cat.argv(repository_id))]


def _creation_steps(repository: Repository) -> Steps:
    source = repository.source
    argv = init.argv() if source is None else init.copy_argv(encrypted=source.encrypted)
    return [
        *_connection_steps(repository),
        ("init", argv),
        (IDENTITY_STEP, keys.argv()),
        ("config", cat.argv()),
    ]


def _connection_steps(repository: Repository) -> Steps:
    argv = repository.access.connection_test
    return [("connect", list(argv))] if argv else []


async def create_or_open(jobs: RepositoryJobs, repository: Repository, mark: str, seconds: float) -> str:
    """Create the repository, or open the existing one, while the caller holds it; return its id.

    `mark` is the id of this creation: a second call with the same one continues with its Jobs. A Job has
    `seconds`; an interrupted one, as by the end of its node, is followed by another. Raises StorageFailed:
    NotKept where the second container did not find what the first had created, and ConfigLost where there
    are keys of another repository, or of one whose creation was interrupted.
    """
    name = f"{job_names.shorten(repository.storage.id, STORAGE_LETTERS)}-{mark}"
    for attempt in range(MOST_ATTEMPTS):
        try:
            return await _try_once(
                jobs, repository, f"{name}-{attempt}", seconds, is_first_attempt=attempt == 0
            )
        except StorageFailed as fault:
            if _reason_of(fault) != Reason.INTERRUPTED:
                raise
    raise StorageFailed("The storage's Jobs were interrupted again and again.", reason=Reason.INTERRUPTED)


async def _try_once(
    jobs: RepositoryJobs, repository: Repository, name: str, seconds: float, *, is_first_attempt: bool
) -> str:
    creation = await jobs.run(
        f"kronkeep-init-{name}", _creation_steps(repository), repository, seconds, apart=(IDENTITY_STEP,)
    )
    failure = _creation_failure(creation)
    config = creation.container("config")
    if failure is not None and _reason_of(failure) == Reason.REPOSITORY_THERE:
        steps = opening_steps(repository)
        steps.insert(-1, (KEYS_STEP, keys.argv()))
        opening = await jobs.run(f"kronkeep-open-{name}", steps, repository, seconds)
        failure = _opening_failure(opening, is_first_attempt=is_first_attempt)
        config = opening.container(IDENTITY_STEP)
        if failure is None:
            failure = await _try_keys(jobs, repository, name, seconds, opening.container(KEYS_STEP))
    if failure is not None:
        raise failure
    return cat.parse_id(config.log) if config is not None else ""


async def _try_keys(
    jobs: RepositoryJobs, repository: Repository, name: str, seconds: float, listing: ContainerResult | None
) -> StorageFailed | None:
    """Open the repository with each of its keys where there are several; return why that failed."""
    ids = keys.parse(listing.log)[: keys.MOST_TRIED] if listing is not None else []
    if len(ids) < 2:
        return None
    steps = [(f"key-{number}", cat.argv(lock=False, key=key)) for number, key in enumerate(ids)]
    failure = storage_failure(await jobs.run(f"kronkeep-keys-{name}", steps, repository, seconds))
    return _as_config_lost(failure)


def _creation_failure(job: FinishedJob) -> StorageFailed | None:
    """Return why the repository was not created.

    More than one key means that the folder had keys of an older repository, whose config is lost.
    """
    failure = storage_failure(job)
    creation = job.container("init")
    opening = job.container(IDENTITY_STEP)
    if failure is None and opening is not None:
        return _key_failure(opening)
    is_missing = failure is not None and _reason_of(failure) == Reason.REPOSITORY_MISSING
    if is_missing and creation is not None and creation.exit_code == 0:
        return storage_error(Fault.of(Reason.NOT_KEPT))
    return failure


def _opening_failure(job: FinishedJob, *, is_first_attempt: bool) -> StorageFailed | None:
    """Return why it was not opened; damage after an interruption is our own unfinished creation."""
    failure = storage_failure(job)
    return failure if is_first_attempt else _as_config_lost(failure)


def _as_config_lost(failure: StorageFailed | None) -> StorageFailed | None:
    """Return the failure; a repository that restic calls damaged has a key that does not fit its config."""
    is_misfit = failure is not None and _reason_of(failure) == Reason.REPOSITORY_DAMAGED
    return storage_error(Fault.of(Reason.CONFIG_LOST)) if is_misfit else failure


def _key_failure(listing: ContainerResult) -> StorageFailed | None:
    is_ambiguous = len(keys.parse(listing.log)) > 1
    return storage_error(Fault.of(Reason.CONFIG_LOST)) if is_ambiguous else None


def _reason_of(failure: StorageFailed) -> str:
    return str(failure.details.get("reason", ""))


class RepositoryMaker:
    """Creation of repositories when they are first used: each once, however many callers need it at once."""

    def __init__(
        self,
        *,
        jobs: RepositoryJobs,
        index: RepositoryIndex,
        queues: RepositoryQueues,
        passwords: FolderPasswords,
    ) -> None:
        self._jobs = jobs
        self._index = index
        self._queues = queues
        self._passwords = passwords

    async def make_if_missing(self, repository: Repository, *cause: str) -> None:
        """Create the repository and its password, unless it exists; raise StorageFailed.

        A repository with a source cuts files into the same chunks as the source does.

        cause: what the repository is needed for, such as a backup's id and attempt. A daemon that was killed
            finds its Jobs again by the same cause.
        """
        if self._index.contains(repository):
            return
        async with self._queues.hold_exclusively(repository.id, CREATION):
            if self._index.contains(repository):
                return
            await self._passwords.make_if_missing(repository)
            mark = derive_id("repository creation", repository.id, *cause)
            repository_id = await create_or_open(self._jobs, repository, mark, FIRST_USE_SECONDS)
            await self._index.record_id(repository, repository_id)

"""Creation of repositories when they are first used: a namespace's, a policy's, or one of copies."""

from kronkeep_daemon.history.record_ids import derive_id
from kronkeep_daemon.repositories import repository_creation
from kronkeep_daemon.repositories.folder_passwords import FolderPasswords
from kronkeep_daemon.repositories.queue import RepositoryQueues
from kronkeep_daemon.repositories.repository import Repository
from kronkeep_daemon.repositories.repository_index import RepositoryIndex
from kronkeep_daemon.repositories.repository_jobs import RepositoryJobs

SECONDS = 600.0


class RepositoryMaker:
    """Creation of each repository once, however many find it missing at the same time."""

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
        """Create the repository with its password unless that was done; raise StorageFailed.

        One with a source is made with the chunks of that, so that what both have is alike.

        cause: for whom it is made, such as a backup's id and attempt; with the same one, as after a kill, its
            Jobs are found again.
        """
        if self._index.contains(repository):
            return
        async with self._queues.hold_exclusively(repository.id, "creation"):
            if self._index.contains(repository):
                return
            await self._passwords.make_if_missing(repository)
            mark = derive_id("repository creation", repository.id, *cause)
            repository_id = await repository_creation.create_or_open(self._jobs, repository, mark, SECONDS)
            await self._index.pin(repository, repository_id)

"""A storage that a test keeps in place of the service of storages."""

from kronkeep_common.models import BackupStorage


class SavedStorage:
    """One storage, as it was saved last."""

    def __init__(self, storage: BackupStorage) -> None:
        self.storage = storage

    def get(self, _: str) -> BackupStorage:
        return self.storage

    require_active = get

    async def save(self, _: BackupStorage, new: BackupStorage) -> BackupStorage:
        self.storage = new
        return new

"""A folder of a snapshot that is downloaded as a tar archive."""

from kronkeep_common.models.base import Bytes, Record


class TarDownload(Record, frozen=True, kw_only=True):
    """How far a user's download of a folder has come.

    `expected_bytes` is about how large the archive will be, by the listing. `sent_bytes` are those that have
    been sent, with what the client had before. `sha256` is that of the whole archive, once all was sent.
    """

    backup_id: str
    path: str
    expected_bytes: Bytes
    sent_bytes: Bytes = 0
    sha256: str | None = None

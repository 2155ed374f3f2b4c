"""Where a storage is, in words of its owner."""

import pytest
from tests.records import vault

from kronkeep_common.storage_place import describe_place


@pytest.mark.parametrize(
    ("kind", "settings", "place"),
    [
        ("local", {"path": "/srv/backups"}, "/srv/backups"),
        ("local", {"path": "/srv/backups", "node": "n1"}, "/srv/backups on n1"),
        ("nfs", {"server": "nas", "path": "/export"}, "nas:/export"),
        ("pvc", {"namespace": "ops", "claim": "keep"}, "claim ops/keep"),
        ("ceph", {"storage_class": "rbd", "namespace": "ops"}, "a claim of the class rbd in ops"),
        ("ceph", {"endpoint": "https://g", "bucket": "b"}, "/repository"),
        ("s3", {"bucket": "b"}, "/repository"),
        ("newer", {"path": "/srv"}, "/repository"),
        ("local", {"path": "/srv/\x1b[2J"}, "/srv/\u241b[2J"),
    ],
)
def test_a_place_is_what_the_settings_name(kind: str, settings: dict[str, str | int], place: str) -> None:
    storage = vault(kind=kind, settings=settings, repository="/repository")
    assert describe_place(storage) == place

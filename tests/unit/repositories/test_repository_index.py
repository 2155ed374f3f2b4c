"""Which repository needs a prune, and which repositories a storage has."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.records import VAULT

from kronkeep_common.models import SecretKeyRef
from kronkeep_daemon.repositories.repository import PolicyKey, Repository
from kronkeep_daemon.repositories.repository_index import RepositoryEntry

SLOT = datetime(2026, 3, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entry(**fields: object) -> RepositoryEntry:
    base = {"id": "vault/policy-p", "created_at": SLOT, "storage_id": "vault", "folder": "policy-p"}
    return RepositoryEntry(**(base | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("forgotten_at", "pruned_at", "needs_prune"),
    [
        (None, None, False),
        (SLOT - HOUR, None, True),
        (SLOT, None, False),  # at the slot itself it is for the next one
        (SLOT - HOUR, SLOT - 2 * HOUR, True),
        (SLOT - HOUR, SLOT - HOUR, False),
        (SLOT - 2 * HOUR, SLOT - HOUR, False),
    ],
)
def test_a_prune_is_needed_where_something_was_forgotten_since_the_last(
    forgotten_at: datetime | None, pruned_at: datetime | None, needs_prune: bool
) -> None:
    assert entry(forgotten_at=forgotten_at, pruned_at=pruned_at).needs_prune(SLOT) is needs_prune


def test_an_entry_is_the_repository_that_was_recorded() -> None:
    ref = SecretKeyRef(secret="own")
    with_key = entry(cluster="c", namespace="shop", key=ref)
    assert with_key.in_storage(VAULT) == Repository(
        storage=VAULT, folder="policy-p", key=PolicyKey("c", "shop", ref)
    )
    assert entry(encrypted=False).in_storage(VAULT) == Repository(
        storage=VAULT, folder="policy-p", encrypted=False
    )

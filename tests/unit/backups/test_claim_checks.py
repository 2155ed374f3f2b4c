"""Claims that no Job could archive are refused before a Job waits for them."""

from typing import Any

import pytest

from kronkeep_common.errors import InvalidPolicy
from kronkeep_daemon.backups.claim_checks import find_warnings, require_claims
from kronkeep_daemon.kube.errors import Forbidden, NotFoundInCluster
from kronkeep_daemon.kube.objects import JsonObject


class FakeClaims:
    """A cluster with some claims; None stands for one that may not be read."""

    def __init__(self, claims: dict[str, JsonObject | None]) -> None:
        self._claims = claims

    async def get(self, path: str) -> JsonObject:
        name = path.rpartition("/")[2]
        if name not in self._claims:
            raise NotFoundInCluster("not found")
        claim = self._claims[name]
        if claim is None:
            raise Forbidden("forbidden")
        return claim


CLAIMS: Any = FakeClaims(
    {"data": {"spec": {"volumeMode": "Filesystem"}}, "raw": {"spec": {"volumeMode": "Block"}}, "secret": None}
)


@pytest.mark.parametrize(
    ("claims", "reason", "message"),
    [
        (("data", "tpyo"), "SourceClaimMissing", "no PersistentVolumeClaim shop/tpyo"),
        (("raw",), "BlockVolume", "shop/raw is a block volume"),
    ],
)
async def test_a_claim_that_cannot_be_archived_is_named(
    claims: tuple[str, ...], reason: str, message: str
) -> None:
    with pytest.raises(InvalidPolicy, match=message) as refusal:
        await require_claims(CLAIMS, "shop", claims)
    assert refusal.value.details["reason"] == reason


async def test_good_claims_and_those_that_may_not_be_read_pass() -> None:
    await require_claims(CLAIMS, "shop", ("data", "secret"))


async def test_a_policy_that_is_written_gets_a_warning_for_each_such_claim() -> None:
    warnings = await find_warnings(CLAIMS, "shop", ("data", "tpyo", "raw", "secret"))
    assert [warning.partition(",")[0] for warning in warnings] == [
        "There is no PersistentVolumeClaim shop/tpyo",
        "The claim shop/raw is a block volume (volumeMode: Block)",
    ]

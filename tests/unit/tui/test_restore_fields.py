"""The form of a restore's target: what its texts mean."""

import pytest

from kronkeep_common.models import RestoreRequest, RestoreTarget
from kronkeep_tui.form.restore_fields import parse_restore, texts_of_request

NEW = texts_of_request(RestoreRequest())


def test_a_new_claim_needs_no_word_and_takes_its_size_and_class() -> None:
    assert parse_restore(NEW, ()).request == RestoreRequest()
    texts = NEW | {"claim": "copy", "size_bytes": "10Gi", "storage_class": "fast", "path": "/below"}
    target = RestoreTarget(claim="copy", size_bytes=10 * 2**30, storage_class="fast", path="/below")
    assert parse_restore(texts, ("/a",)).request == RestoreRequest(target=target, include=("/a",))


def test_what_another_kind_of_target_has_is_kept_and_not_sent() -> None:
    texts = NEW | {"claim": "data", "size_bytes": "1Gi", "overwrite": "yes", "kind": "claim"}
    request = parse_restore(texts, ()).request
    assert request is not None
    assert request == RestoreRequest(target=RestoreTarget(kind="claim", claim="data"), overwrite=True)
    in_place = parse_restore(texts | {"kind": "in-place"}, ()).request
    assert in_place == RestoreRequest(target=RestoreTarget(kind="in-place"), overwrite=True)
    assert texts_of_request(request)["claim"] == "data"


@pytest.mark.parametrize(
    ("texts", "path"),
    [
        ({"kind": "claim"}, "claim"),
        ({"claim": "No"}, "claim"),
        ({"path": "a/../b"}, "path"),
        ({"size_bytes": "big"}, "size_bytes"),
    ],
)
def test_a_fault_is_at_its_field(texts: dict[str, str], path: str) -> None:
    parsed = parse_restore(NEW | texts, ())
    assert (parsed.request, set(parsed.faults)) == (None, {path})

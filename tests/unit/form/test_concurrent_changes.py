"""Merging a draft with what somebody else has saved meanwhile."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kronkeep_common.client.cronjobs import TaggedSpec
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, EnvVar
from kronkeep_tui.form.concurrent_changes import find_changes, merge_changes, replace_texts, texts_of
from kronkeep_tui.form.draft import draft_of
from kronkeep_tui.form.form_state import FormState

SPEC = CronJobCreate(name="x", image="a", schedule="0 2 * * *", env=(EnvVar(name="A", value="1"),))


def form_with(mine: dict[str, str], *, theirs: CronJobCreate) -> FormState:
    form_state = FormState("edit default/x")
    form_state.load(TaggedSpec(SPEC, "1"))
    form_state.draft |= mine
    form_state.take_in_changes(TaggedSpec(theirs, "2"))
    return form_state


def test_a_field_of_many_rows_is_one_field() -> None:
    now = msgspec.structs.replace(SPEC, env=(EnvVar(name="B", value="2"), EnvVar(name="A", value="1")))
    form_state = form_with({"env.1": "C=3"}, theirs=now)
    assert texts_of(form_state.draft, "env") == ("A=1", "C=3")
    form_state.swap_change("env")
    assert texts_of(form_state.draft, "env") == ("B=2", "A=1")
    form_state.swap_change("env")
    assert texts_of(form_state.draft, "env") == ("A=1", "C=3")


def test_a_policy_that_somebody_took_away_is_one_difference() -> None:
    policy = BackupPolicySpec(storage_id="vault", compression="max", retries=5)
    with_policy = draft_of(msgspec.structs.replace(SPEC, policy=policy))
    without = draft_of(SPEC)
    assert [one.path for one in find_changes(with_policy, with_policy, without)] == ["policy.storage_id"]
    added = find_changes(without, without, with_policy)
    assert {"policy.storage_id", "policy.compression", "policy.retries"} <= {one.path for one in added}


def test_what_is_typed_after_taking_theirs_is_not_lost_by_the_next_swap() -> None:
    form_state = form_with({"image": "mine"}, theirs=msgspec.structs.replace(SPEC, image="theirs"))
    form_state.swap_change("image")
    form_state.type_text("image", "third")
    form_state.swap_change("image")
    assert form_state.draft["image"] == "theirs"
    form_state.swap_change("image")
    assert form_state.draft["image"] == "third"


IMAGES = st.sampled_from(["a", "b", "c"])


@given(IMAGES, IMAGES, IMAGES)
def test_nobody_s_change_is_lost(base: str, mine: str, now: str) -> None:
    """Three-way merge: their text where mine is unchanged, mine where both changed; both can be had then."""
    drafts = [replace_texts(draft_of(SPEC), "image", (text,)) for text in (base, mine, now)]
    changes = find_changes(*drafts)
    assert bool(changes) == (base != now)
    here = merge_changes(drafts[1], changes)["image"]
    assert here == (mine if mine != base else now)
    if changes and mine not in (base, now):
        assert changes[0].collides

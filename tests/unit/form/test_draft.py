"""A draft makes exactly the CronJob it came from, whatever that holds; and says what is wrong, by field."""

from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kronkeep_common.archive_contents import explain_nothing, volumes_of_spec
from kronkeep_common.client.cronjobs import TaggedSpec
from kronkeep_common.errors import InvalidRequest, NothingToArchive
from kronkeep_common.models import BackupPolicySpec, CronJobCreate
from kronkeep_common.models.cronjob import EnvVar, OtherVolume, VolumeMount
from kronkeep_common.models.policy import (
    ClaimSource,
    DatabaseDump,
    Drill,
    DrillCheck,
    Encryption,
    Hook,
    Hooks,
    Include,
    PolicyCopy,
    Retention,
    SecretKeyRef,
    Source,
)
from kronkeep_tui.form import value_texts
from kronkeep_tui.form.draft import CLAIMS_KEY, draft_of, entries_of, new_draft, parse_draft
from kronkeep_tui.form.fields import FIELDS
from kronkeep_tui.form.form_state import FormState

NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,10}[a-z0-9]\Z")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
WORDS = st.lists(TEXT, min_size=1, max_size=4).map(tuple)
SECONDS = st.one_of(st.integers(1, 10**6).map(float), st.floats(1, 10**5, allow_nan=False))
SECRETS = st.builds(SecretKeyRef, secret=NAMES, key=NAMES)
VARIABLES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,8}\Z")
ENVS = st.dictionaries(VARIABLES, SECRETS, max_size=2)
SCHEDULES = st.sampled_from(["0 2 * * *", "*/5 1-3 * * mon", "@daily", "@every 90s"])
ZONES = st.sampled_from([None, "Europe/Berlin", "UTC"])
COUNTS = st.integers(0, 1000)
HOOKS = st.lists(
    st.builds(
        Hook,
        name=st.from_regex(r"\A[a-z]([-a-z0-9]{0,8}[a-z0-9])?\Z"),
        image=NAMES,
        command=WORDS,
        env=ENVS,
        timeout_seconds=SECONDS.filter(lambda s: s <= 7 * 86400),
        on_failure=st.sampled_from(["stop", "continue"]),
        when=st.sampled_from(["always", "success", "failure"]),
    ),
    max_size=2,
).map(tuple)
POLICIES = st.builds(
    BackupPolicySpec,
    storage_id=NAMES,
    enabled=st.booleans(),
    schedule=st.one_of(st.none(), SCHEDULES),
    time_zone=ZONES,
    delay_seconds=st.one_of(st.just(0.0), SECONDS),
    when=st.sampled_from(["success", "always"]),
    source=st.builds(
        Source,
        claims=st.lists(
            st.builds(ClaimSource, claim=NAMES, paths=st.lists(TEXT, max_size=2).map(tuple)), max_size=2
        ).map(tuple),
        consistency=st.sampled_from(["live", "snapshot", "clone"]),
        copy_storage_class=st.one_of(st.none(), NAMES),
    ),
    include=st.builds(
        Include,
        volumes=st.booleans(),
        configuration=st.booleans(),
        database=st.one_of(
            st.none(), st.builds(DatabaseDump, image=NAMES, command=WORDS, file_name=NAMES, env=ENVS)
        ),
    ),
    backup_type=st.sampled_from(["full", "incremental"]),
    compression=st.sampled_from(["off", "auto", "max"]),
    encryption=st.builds(Encryption, enabled=st.booleans(), key=st.one_of(st.none(), SECRETS)),
    retention=st.builds(
        Retention,
        days=st.one_of(st.none(), st.just(30), st.integers(1, 3650)),
        **{f"keep_{word}": COUNTS for word in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
        min_good=st.integers(1, 1000),
    ),
    hooks=st.builds(Hooks, pre=HOOKS, validate=HOOKS, post=HOOKS),
    rpo_seconds=st.one_of(st.none(), SECONDS.filter(lambda s: s >= 60)),
    rto_seconds=st.one_of(st.none(), SECONDS.filter(lambda s: s >= 60)),
    expected_duration_seconds=st.one_of(st.none(), SECONDS),
    deadline_seconds=SECONDS,
    retries=st.integers(0, 10),
    drill=st.one_of(
        st.none(),
        st.builds(
            Drill,
            schedule=SCHEDULES,
            time_zone=ZONES,
            pick=st.sampled_from(["newest", "random"]),
            check=st.one_of(st.none(), st.builds(DrillCheck, image=NAMES, command=WORDS)),
            deadline_seconds=SECONDS.filter(lambda s: s <= 30 * 86400),
        ),
    ),
    on_conflict=st.sampled_from(["reject", "shift", "after-run", "accept"]),
)
CRONJOBS = st.builds(
    CronJobCreate,
    namespace=NAMES,
    name=NAMES,
    image=NAMES,
    command=st.one_of(st.just(()), WORDS),
    args=st.one_of(st.just(()), WORDS),
    env=st.lists(
        st.one_of(
            st.builds(EnvVar, name=VARIABLES, value=st.text(max_size=12)),
            st.builds(EnvVar, name=VARIABLES, secret=SECRETS),
        ),
        max_size=3,
    ).map(tuple),
    volumes=st.lists(
        st.builds(VolumeMount, claim=NAMES, mount_path=TEXT.map(lambda t: "/" + t), read_only=st.booleans()),
        max_size=2,
    ).map(tuple),
    schedule=SCHEDULES,
    time_zone=ZONES,
    suspend=st.booleans(),
    concurrency_policy=st.sampled_from(["Allow", "Forbid", "Replace"]),
    starting_deadline_seconds=st.one_of(st.none(), st.integers(0, 10**6)),
    active_deadline_seconds=st.one_of(st.none(), st.integers(1, 10**6)),
    backoff_limit=st.integers(0, 100),
    successful_jobs_history_limit=COUNTS,
    failed_jobs_history_limit=COUNTS,
    service_account=st.one_of(st.none(), NAMES),
    policy=st.one_of(st.none(), POLICIES),
)


@given(CRONJOBS)
def test_a_draft_makes_the_cronjob_it_came_from(spec: CronJobCreate) -> None:
    policy = spec.policy
    assume(policy is None or not policy.enabled or explain_nothing(policy, volumes_of_spec(spec)) is None)
    parsed = parse_draft(draft_of(spec))
    assert parsed.messages == {}
    assert parsed.spec == spec


def leaves(owner: Any, before: str = "") -> set[str]:
    """Every leaf of a struct, by its path; a struct's fields are its leaves, those in lists and dicts not."""
    paths = set()
    for info in msgspec.structs.fields(owner):
        kinds = [t for t in getattr(info.type, "__args__", (info.type,)) if isinstance(t, type)]
        struct = next((t for t in kinds if issubclass(t, msgspec.Struct)), None)
        many = getattr(info.type, "__origin__", None) in (tuple, dict)
        if struct is None or many or struct is SecretKeyRef:
            paths.add(before + info.name)
        else:
            paths |= leaves(struct, f"{before}{info.name}.")
    return paths


def test_the_form_has_a_field_for_every_leaf_of_the_api() -> None:
    assert leaves(CronJobCreate) - {"other_volumes"} == set(FIELDS)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=20)))
def test_whatever_is_typed_is_a_cronjob_or_a_fault_that_names_a_field(typed: dict[str, str]) -> None:
    parsed = parse_draft(new_draft("vault") | typed)
    assert (parsed.spec is None) == bool(parsed.messages)
    for key, words in parsed.messages.items():
        assert key in FIELDS or key.rpartition(".")[0] in FIELDS
        assert words.endswith(".")


@pytest.mark.parametrize(
    ("typed", "key", "words"),
    [
        ({}, "image", "empty"),
        ({"name": "Not_Valid"}, "name", "not a CronJob's name"),
        ({"schedule": "61 * * * *"}, "schedule", "minute"),
        ({"time_zone": "Mars/Base"}, "time_zone", "not known"),
        ({"policy.retention.days": "4000"}, "policy.retention.days", "3650"),
        ({"policy.delay_seconds": "soon"}, "policy.delay_seconds", "1h30m"),
        ({"policy.compression": "best"}, "policy.compression", "off"),
        ({"env.0": "no sign"}, "env.0", "NAME=value"),
        ({"volumes.3": "claim"}, "volumes.3", "/PATH"),
        ({"command": "sh -c 'open"}, "command", "quote"),
        ({"policy.hooks.pre.0": "x busybox"}, "policy.hooks.pre.0", "COMMAND"),
        (
            {"policy.drill.check.image": "x", "policy.drill.schedule": "@daily"},
            "policy.drill.check.command",
            "empty",
        ),
    ],
)
def test_a_fault_is_said_at_its_field(typed: dict[str, str], key: str, words: str) -> None:
    assert words in parse_draft(new_draft("vault") | typed).messages[key]


def test_a_fault_that_only_the_model_knows_is_placed_too() -> None:
    good = new_draft("vault") | {"name": "a", "image": "b"}
    assert (
        "policy.hooks.pre.0"
        in parse_draft(good | {"policy.hooks.pre.0": "Bad_Name busybox -- true"}).messages
    )
    assert "policy.rpo_seconds" in parse_draft(good | {"policy.rpo_seconds": "5s"}).messages
    assert "env.0" in parse_draft(good | {"env.0": "1A=b"}).messages


def test_without_a_storage_there_is_no_policy_and_what_was_typed_of_it_stays() -> None:
    draft = new_draft() | {"name": "a", "image": "b", "policy.schedule": "nonsense"}
    parsed = parse_draft(draft)
    assert parsed.spec is not None
    assert parsed.spec.policy is None
    assert draft["policy.schedule"] == "nonsense"
    assert "policy.schedule" in parse_draft(draft | {"policy.storage_id": "vault"}).messages


def test_an_empty_number_of_days_keeps_no_days() -> None:
    texts = {"name": "a", "image": "b", "volumes.0": "data /data", "policy.retention.days": ""}
    parsed = parse_draft(new_draft("v") | texts)
    assert parsed.spec is not None
    assert parsed.spec.policy is not None
    assert parsed.spec.policy.retention.days is None


def test_rows_keep_their_order() -> None:
    draft = {f"env.{number}": f"A{number}=x" for number in (10, 2, 0)}
    assert [key for key, _ in entries_of(draft, "env")] == ["env.0", "env.2", "env.10"]


@given(st.floats(0, 10**9, allow_nan=False))
def test_durations_read_as_they_were_written(seconds: float) -> None:
    assert value_texts.read_duration(value_texts.write_duration(seconds)) == seconds


@given(st.integers(0, 2**53))
def test_sizes_read_as_they_were_written(count: int) -> None:
    assert value_texts.read_size(value_texts.write_size(count)) == count


@pytest.mark.parametrize("text", ["500G", "500Gi", "500GiB"])
def test_sizes_are_binary_however_they_are_written(text: str) -> None:
    assert value_texts.read_size(text) == 500 * 2**30
    assert value_texts.read_size("1.5Ti") == 1536 * 2**30


@pytest.mark.parametrize("text", ["", "2Q", "G", "-1G", "1e3", "١G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no size"):
        value_texts.read_size(text)


IN_ROWS: dict[type, dict[str, Any]] = {
    SecretKeyRef: {"secret": "s", "key": "k"},
    EnvVar: {"name": "A", "value": "b", "secret": SecretKeyRef(secret="s", key="k")},
    VolumeMount: {"claim": "c", "mount_path": "/m", "read_only": True},
    ClaimSource: {"claim": "c", "paths": ("p", "q r")},
    Hook: {
        "name": "h",
        "image": "i",
        "command": ("c", "d e"),
        "env": {"A": SecretKeyRef(secret="s", key="k")},
        "timeout_seconds": 61,
        "on_failure": "continue",
        "when": "failure",
    },
    PolicyCopy: {
        "storage_id": "w",
        "schedule": "0 4 * * *",
        "time_zone": "Europe/Vienna",
        "after": "backup",
        "retention": Retention(days=90, keep_last=3, min_good=2),
        "rpo_seconds": 93600,
        "deadline_seconds": 7200,
        "drill": Drill(
            schedule="0 3 * * 0",
            pick="random",
            check=DrillCheck(image="i", command=("c", "d 'e' f")),
            deadline_seconds=61,
        ),
    },
}
"""What is written in one row of a field: every field of it, with another value than its default."""


IN_COPIES: dict[type, dict[str, Any]] = {
    Retention: {
        "days": 3,
        **{f"keep_{word}": 2 for word in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
        "min_good": 4,
    },
    Drill: {
        "schedule": "@daily",
        "time_zone": "UTC",
        "pick": "random",
        "check": DrillCheck(image="i", command=("c",)),
        "deadline_seconds": 61,
    },
    DrillCheck: {"image": "i", "command": ("c", "d")},
}
"""The same of what a copy has in its row."""


def structs_in_rows(owner: Any) -> set[Any]:
    """The structs in lists, dicts and Secrets below one, which the form writes in one line."""
    values: set[Any] = set()
    for info in msgspec.structs.fields(owner):
        for kind, in_row in _kinds(info.type):
            values |= ({kind} if in_row else set()) | structs_in_rows(kind)
    return values


def _kinds(hint: Any, in_row: bool = False) -> list[tuple[Any, bool]]:
    """The structs that a type names, and whether they are in a list or a dict."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [(hint, in_row or hint is SecretKeyRef)]
    in_row = in_row or get_origin(hint) in (tuple, dict)
    return [found for arg in get_args(hint) for found in _kinds(arg, in_row)]


def test_every_field_of_what_is_written_in_one_row_is_in_its_row() -> None:
    """A field added to a hook, a mount or a variable makes this fail until the form can say it."""
    assert structs_in_rows(CronJobCreate) - {OtherVolume} == set(IN_ROWS)
    for kind, values in {**IN_ROWS, **IN_COPIES}.items():
        fields = msgspec.structs.fields(kind)
        assert set(values) == {field.name for field in fields}, kind
        assert all(values[field.name] != field.default for field in fields)
    hook = Hook(**IN_ROWS[Hook])
    claim = ClaimSource(**IN_ROWS[ClaimSource])
    spec = CronJobCreate(
        name="x",
        image="x",
        schedule="@daily",
        env=(EnvVar(name="A", value="b"), EnvVar(name="A", secret=IN_ROWS[EnvVar]["secret"])),
        volumes=(VolumeMount(**IN_ROWS[VolumeMount]),),
        policy=BackupPolicySpec(
            storage_id="v",
            source=Source(claims=(claim,)),
            hooks=Hooks(pre=(hook,), post=(hook,)),
            copies=(
                PolicyCopy(**IN_ROWS[PolicyCopy]),
                PolicyCopy(
                    storage_id="x",
                    retention=Retention(**IN_COPIES[Retention]),
                    drill=Drill(**IN_COPIES[Drill]),
                ),
            ),
        ),
    )
    assert parse_draft(draft_of(spec)).spec == spec


def test_a_policy_with_nothing_to_archive_is_reported_until_something_is_typed() -> None:
    draft = new_draft("v") | {"name": "a", "image": "b"}
    error = parse_draft(draft).errors[CLAIMS_KEY]
    assert isinstance(error, NothingToArchive)
    assert "empty the storage" in error.next_step
    for cure in (
        {"volumes.0": "data /data"},
        {"policy.source.claims.0": "data"},
        {"policy.include.configuration": "yes"},
        {"policy.include.database.image": "postgres:17", "policy.include.database.command": "pg_dump"},
        {"policy.storage_id": ""},
        {"policy.enabled": "no"},
    ):
        assert parse_draft(draft | cure).errors == {}, cure


def test_volumes_without_a_field_stay_in_the_form_and_are_reported() -> None:
    host = OtherVolume(name="host", kind="hostPath", mount_path="/host")
    spec = CronJobCreate(
        name="a",
        image="b",
        schedule="@daily",
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
        other_volumes=(host, OtherVolume(name="conf", kind="configMap", mount_path="/conf")),
        policy=BackupPolicySpec(storage_id="v"),
    )
    state = FormState("edit default/a@")
    state.load(TaggedSpec(spec=spec, tag="t"))
    assert state.spec == spec
    (warning,) = state.warnings
    assert "host" in warning
    state.type_text("volumes.0", "")
    assert "host (hostPath) at /host" in state.errors(None)[CLAIMS_KEY].message


@pytest.mark.parametrize(
    ("command", "args", "warned"),
    [
        ("sh -c", "date > /data/d.txt; echo hello", True),
        ("sh -c", "dump && upload", True),
        ("sh -c dump; upload", "", True),
        ("sh -c", "'date > /data/d.txt; echo hello'", False),
        ("sh -c 'date > /data/d.txt'", "", False),
        ("pg_dump -c", "shop", False),
        ("find", "/data -name x ;", False),
        ("", "", False),
    ],
)
def test_a_script_that_a_shell_gets_in_pieces_is_warned_of(command: str, args: str, warned: bool) -> None:
    texts = {"name": "x", "image": "x", "schedule": "@daily", "command": command, "args": args}
    parsed = parse_draft(new_draft() | texts)
    assert ("put the script after -c into quotes" in " ".join(parsed.warnings)) is warned

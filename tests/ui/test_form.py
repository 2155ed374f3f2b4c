"""The form over a canned client: what it says as one types, what it sends, what it keeps."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.ui.canned import POLICY, CannedClient, CannedCronJobs, cronjob
from tests.ui.driving import (
    HOSTILE,
    ClientWithStorage,
    app_of,
    fill_field,
    form,
    open_form,
    running_app,
    screen,
    until,
    wait_for_jobs,
)
from tests.ui.idleness import settle
from tests.ui.scenes import storage

from kronkeep_common import errors
from kronkeep_common.client.cronjobs import TaggedSpec
from kronkeep_common.errors import InvalidRequest
from kronkeep_common.models import BackupPolicy, BackupPolicySpec, CronJob, CronJobCreate, VolumeMount
from kronkeep_tui.form.draft import new_draft
from kronkeep_tui.form.form_rows import rows_of_draft
from kronkeep_tui.form.value_texts import read_volume


async def test_it_is_usable_at_80x24_and_creates_with_a_policy() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"nightly", "tab", *"busybox", "tab", *"sh -c 'echo hi'")
        assert "Nothing to archive: the CronJob mounts no claim" in screen(pilot)
        await fill_field(pilot, "volumes.0", "data /data")
        assert "Nothing to archive" not in screen(pilot)
        await fill_field(pilot, "policy.storage_id", "vault")
        assert "vault local 3.0 GiB of 4.0 GiB free" in screen(pilot)
        await fill_field(pilot, "policy.schedule", "0 3 * * *")
        await until(pilot, lambda: "ok  " in screen(pilot))
        assert "03:00: Wed 25 Nov" in screen(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: client.asked)
        assert client.asked[0][0] == "create"
        sent = json.loads(client.asked[0][1])
        assert sent["command"] == ["sh", "-c", "echo hi"]
        assert sent["policy"] == {"storage_id": "vault", "schedule": "0 3 * * *", "retention": {"days": 30}}


async def test_a_storage_that_does_not_serve_the_namespace_is_asked_to_and_then_the_form_is_sent() -> None:
    client = ClientWithStorage(namespaces=("shop",))
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"nightly", "tab", *"busybox")
        await fill_field(pilot, "volumes.0", "data /data")
        await fill_field(pilot, "policy.storage_id", "vault")
        await until(pilot, lambda: "The storage vault does not serve the namespace default." in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Let the storage vault serve default?" in screen(pilot))
        await pilot.press("n")
        assert client.asked == []
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Let the storage vault serve default?" in screen(pilot))
        await pilot.press("y")
        await until(pilot, lambda: len(client.asked) == 2)
    assert client.asked[0] == ("change_storage", "vault", '{"allow_namespaces":["default"]}')
    assert client.asked[1][0] == "create"


@pytest.mark.parametrize(
    ("key", "schedule", "strategy"),
    [("f6", "10 2 * * *", "reject"), ("f7", None, "reject"), ("f8", "0 2 * * *", "accept")],
)
async def test_a_conflict_is_refused_until_one_key_settles_it(
    key: str, schedule: str | None, strategy: str
) -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"x", "tab", *"busybox")
        await fill_field(pilot, "volumes.0", "data /data")
        await fill_field(pilot, "policy.schedule", "0 2 * * *")
        await until(pilot, lambda: "conflict  SameTime" in screen(pilot))
        assert "f6 shift to 10 2 * * *   f7 after-run   f8 accept" in screen(pilot)
        assert "more lines" in screen(pilot)
        for _ in range(3):
            await pilot.press("pagedown")
        assert "stays on record (SameTime)" in screen(pilot)
        await pilot.press("pageup", "pageup", "pageup")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "f6 moves the backup" in screen(pilot))
        assert client.asked == []
        await pilot.press(key)
        await until(pilot, lambda: "f6 shift" not in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: client.asked)
        policy = json.loads(client.asked[0][1])["policy"]
        assert (policy.get("schedule"), policy.get("on_conflict", "reject")) == (schedule, strategy)


async def test_a_fault_is_said_as_one_types_and_the_first_is_gone_to() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"Kept")
        assert "not a CronJob's name" in screen(pilot)
        await fill_field(pilot, "schedule", "61 * * * *")
        await until(pilot, lambda: "ends above 59" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: form(pilot).form_widget.row.key == "name")
        assert "Kept" in screen(pilot)
        assert client.asked == []


async def test_what_was_typed_is_there_again_after_leaving_and_f5_forgets_it() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"kept", "escape")
        await until(pilot, lambda: "is kept until" in screen(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "name            kept" in screen(pilot))
        await pilot.press("f5")
        await until(pilot, lambda: "kept" not in screen(pilot))


async def test_keys_that_are_actions_elsewhere_are_text_here() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"q1:?/jkxn", "left", "backspace", "home", "Z", "delete")
        assert form(pilot).draft["name"] == "Z1:?/jkn"


async def test_f9_goes_from_section_to_section_and_round_again() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        seen = []
        for _ in range(9):
            await pilot.press("f9")
            seen.append(form(pilot).form_widget.row.key)
        assert seen[:2] == ["suspend", "policy.storage_id"]
        assert (seen[6], seen[7], seen[8]) == ("policy.drill.schedule", "namespace", "suspend")


async def test_yaml_a_dry_run_and_a_strategy_without_a_conflict() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press("f3")
        await until(pilot, lambda: "The name is empty" in screen(pilot))
        await pilot.press(*"x", "tab", *"busybox")
        await fill_field(pilot, "volumes.0", "data /data")
        await until(pilot, lambda: "kind: CronJob" in screen(pilot))
        await pilot.press("f2")
        await until(pilot, lambda: "would accept it" in screen(pilot))
        assert [asked[0] for asked in client.asked] == ["try"]
        await pilot.press("f6")
        await until(pilot, lambda: "no conflict to fix" in screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "kind: CronJob" not in screen(pilot))


async def test_from_a_template_and_from_a_cronjob_with_the_name_kept() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"mine", "f4", *"postgres-n", "tab", "enter")
        await until(pilot, lambda: "Filled from postgres-nightly" in screen(pilot))
        assert form(pilot).draft["name"] == "mine"
        assert "pg_dump" in form(pilot).draft["policy.include.database.command"]
        await pilot.press("f4", *"default/pg-ledger", "enter")
        await until(pilot, lambda: "Filled from default/pg-ledger" in screen(pilot))
        assert (form(pilot).draft["name"], form(pilot).draft["schedule"]) == ("mine", "0 3 * * *")
        await pilot.press("f4", "up", "up")
        await until(pilot, lambda: "tab completes): postgres-nightly_" in screen(pilot))
        await pilot.press("escape", "f4", *"nowhere", "enter")
        await until(pilot, lambda: "no template" in screen(pilot))


async def test_one_that_is_there_is_changed_under_its_own_name() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("e")
        await until(pilot, lambda: "edit default/pg-main-nightly" in screen(pilot))
        await until(pilot, lambda: form(pilot).draft.get("schedule") == "0 3 * * *")
        await fill_field(pilot, "name", "other")
        assert form(pilot).draft["name"] == "pg-main-nightly"
        await fill_field(pilot, "schedule", "0 4 * * *")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: client.asked)
        assert client.asked[0][0] == "replace"
        assert json.loads(client.asked[0][1])["schedule"] == "0 4 * * *"


async def test_one_that_cannot_be_read_is_not_overwritten() -> None:
    class Unreadable(CannedCronJobs):
        async def spec_with_tag(self, namespace: str, name: str) -> TaggedSpec:
            raise errors.NotAllowedNow("It has two containers.")

    client = ClientWithStorage()
    client.cronjobs = Unreadable(client)
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("e")
        await until(pilot, lambda: "two containers" in screen(pilot))
        await fill_field(pilot, "image", "busybox")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "was not read, so nothing is sent" in screen(pilot))
        await pilot.press("escape", "e")
        await until(pilot, lambda: "two containers" in screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "was not read, so nothing is sent" in screen(pilot))
        assert client.asked == []


async def test_without_the_daemon_the_verdict_is_reckoned_here_and_nothing_is_lost() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        client.away = "Nobody serves the socket."
        client.lost.set()
        await pilot.press(*"kept")
        await fill_field(pilot, "policy.storage_id", "vault")
        await fill_field(pilot, "policy.schedule", "0 1 * * *")
        await until(pilot, lambda: "conflict  BackupBeforeRun" in screen(pilot))
        assert form(pilot).draft["name"] == "kept"


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_hostile_text_in_every_field_is_shown_harmless(size: tuple[int, int]) -> None:
    async with app_of(ClientWithStorage()).run_test(size=size) as pilot:
        await open_form(pilot)
        view = form(pilot)
        for key in [row.key for row in rows_of_draft(new_draft("vault"), {}) if row.key]:
            view.draft[key] = HOSTILE
        view.refresh_fields(at="namespace")
        for _ in range(12):
            for _ in range(6):
                view.form_widget.go(1)
            await settle(running_app(pilot))
            assert not set("\x1b\x07\x9b\u202e") & set(screen(pilot))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(new_draft("v"))), st.text(max_size=30)), max_size=5))
async def test_any_text_in_any_field_is_no_crash(texts: list[tuple[str, str]]) -> None:
    async with app_of(ClientWithStorage()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        view = form(pilot)
        for key, text in texts:
            view.fill_fields(
                {key: text}, at=key if key in [r.key for r in rows_of_draft(view.draft, {})] else "name"
            )
        await pilot.press("f3", "down", "right", "space", "end", "f3")
        assert form(pilot) is view


async def test_sections_go_both_ways_and_a_choice_cannot_be_emptied() -> None:
    async with app_of(ClientWithStorage()).run_test(size=(120, 40)) as pilot:
        await open_form(pilot)
        sheet = form(pilot).form_widget
        keys = [sheet.row.key]
        for _ in range(2):
            await pilot.press("f9")
            keys.append(sheet.row.key)
        assert len(set(keys)) == 3
        await pilot.press("ctrl+pageup")
        assert sheet.row.key == keys[1]
        for _ in range(60):
            if sheet.row.choices:
                break
            await pilot.press("down")
        chosen = sheet.row.text
        assert chosen in sheet.row.choices
        await pilot.press("ctrl+u", "backspace")
        assert sheet.row.text == chosen


async def test_the_rail_marks_faults_and_e_in_policies_begins_at_the_backup() -> None:
    client = ClientWithStorage()
    client.spec = CronJobCreate(
        name="pg-main-nightly",
        image="busybox",
        schedule="0 3 * * *",
        policy=BackupPolicySpec(storage_id="vault"),
        volumes=(VolumeMount(claim="data", mount_path="/data"),),
    )
    async with app_of(client, start="policies").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "[Backup]" in screen(pilot) and form(pilot).draft["image"] == "busybox")
        assert form(pilot).form_widget.row.key == "policy.rpo_seconds", "it has none: `e sets one`"
        await fill_field(pilot, "policy.retention.days", "many")
        await until(pilot, lambda: "[Keep!]" in screen(pilot))
        await pilot.press("f9")
        await until(pilot, lambda: " Keep! [Copies]" in screen(pilot))
        await fill_field(pilot, "policy.retention.days", "7")
        await fill_field(pilot, "policy.rpo_seconds", "1d")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "RPO nothing → 1d, Keep days 30 → 7." in " ".join(screen(pilot).split()))


async def test_after_saving_the_cursor_is_on_the_new_job_once_it_has_come() -> None:
    made = cronjob("zz-new")

    class Creating(CannedCronJobs):
        async def create(self, spec: CronJobCreate, *, dry_run: bool = False) -> CronJob:
            client.cronjobs_given = [*client.cronjobs_given, made]
            return made

    client = ClientWithStorage()
    client.cronjobs = Creating(client)
    async with app_of(client, start="overview").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "live" in screen(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "every day at 02:00" in screen(pilot))
        await pilot.press(*"zz-new", "tab", *"busybox")
        await fill_field(pilot, "policy.storage_id", "")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "LAST 10" in screen(pilot))
        await pilot.press("ctrl+r")
        await until(
            pilot, lambda: any(line[0] == ">" and "zz-new " in line for line in screen(pilot).splitlines())
        )


CLAIM = "pvc/data"


def client_with_claim() -> CannedClient:
    policy = msgspec.convert({**msgspec.to_builtins(POLICY), "schedule": "0 4 * * *"}, BackupPolicy)
    claim = msgspec.structs.replace(
        cronjob(CLAIM), kind="PersistentVolumeClaim", schedule="", schedule_text="", policy=policy
    )
    return CannedClient([claim], [], [], storages=[storage("s3-eu", 1, 2)])


async def test_the_policy_of_a_claim_has_the_form_with_its_own_schedule_and_a_fixed_source() -> None:
    client = client_with_claim()
    sent: list[BackupPolicySpec] = []

    async def set_for_claim(namespace: str, claim: str, policy: BackupPolicySpec, **_: Any) -> CronJob:
        assert (namespace, claim) == ("default", "data")
        sent.append(policy)
        return client.cronjobs_given[0]

    client.policies.set_for_claim = set_for_claim  # type: ignore[attr-defined]
    async with app_of(client, start="policies").run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: CLAIM in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "[Backup]" in screen(pilot) and "0 4 * * *" in screen(pilot))
        text = screen(pilot)
        assert "every day at 04:00" in text
        for words in ("overlap", "on conflict", "a run takes", "suspended"):
            assert words not in text, words
        assert all(
            row.locked for row in form(pilot).form_widget.rows if row.key.startswith("policy.source.cl")
        )
        await fill_field(pilot, "policy.schedule", "")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "A claim has no runs that its backups could follow" in screen(pilot))
        assert not sent
        await fill_field(pilot, "policy.schedule", "0 5 * * *")
        await fill_field(pilot, "policy.retention.days", "9")
        await pilot.press("f3")
        await until(pilot, lambda: "kind: ClaimPolicy" in screen(pilot) and "claim: data" in screen(pilot))
        await pilot.press("f3", "ctrl+s")
        await until(pilot, lambda: sent)
        assert (sent[0].schedule, sent[0].retention.days) == ("0 5 * * *", 9)
        await until(pilot, lambda: "keeps its own policy. Changed: " in screen(pilot))


async def test_the_policy_of_a_claim_that_somebody_else_changed_is_not_overwritten_unseen() -> None:
    client = client_with_claim()
    async with app_of(client, start="policies").run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: CLAIM in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "[Backup]" in screen(pilot) and "0 4 * * *" in screen(pilot))
        await fill_field(pilot, "policy.retention.days", "9")
        theirs = client.cronjobs_given[0]
        assert theirs.policy is not None
        policy = msgspec.structs.replace(theirs.policy, schedule="0 6 * * *")
        client.cronjobs_given = [msgspec.structs.replace(theirs, policy=policy)]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Somebody else changed" in screen(pilot))
        assert not [name for name, *_ in client.asked if name != "try rules"]


async def test_a_form_that_was_sent_is_empty_the_next_time() -> None:
    client = ClientWithStorage()
    async with app_of(client).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await pilot.press(*"nightly", "tab", *"busybox")
        await fill_field(pilot, "volumes.0", "data /data")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: client.asked and client.asked[-1][0] == "create")
        await until(pilot, lambda: running_app(pilot).frame.place.kind == "jobs")
        await pilot.press("n")
        await until(pilot, lambda: running_app(pilot).frame.place.kind == "form")
        await until(pilot, lambda: form(pilot).draft.get("name") == "")
        assert form(pilot).draft == new_draft("vault")


@pytest.mark.parametrize(("height", "least"), [(15, 5), (18, 6), (24, 8), (30, 14)])
async def test_fields_have_the_lines_that_the_preview_does_not_need(height: int, least: int) -> None:
    async with app_of(CannedClient()).run_test(size=(60, height)) as pilot:
        await wait_for_jobs(pilot)
        await pilot.press("n")
        await until(
            pilot,
            lambda: running_app(pilot).frame.view.ready and running_app(pilot).frame.place.kind == "form",
        )
        await until(pilot, lambda: form(pilot).form_widget.size.height >= least)
        await until(pilot, lambda: "> name" in screen(pilot))
        if form(pilot).panel.display:
            assert form(pilot).panel.size.height <= len(form(pilot).panel.lines)


async def test_a_fault_that_has_no_space_beside_its_field_is_whole_in_the_panel() -> None:
    async with app_of(CannedClient()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await fill_field(pilot, "volumes.0", "some-claim-with-a-long-name data/without/slash")
        await pilot.press("enter")
        await until(pilot, lambda: "is taken, too." in " ".join(screen(pilot).split()))
        assert form(pilot).form_widget.row.key != "volumes.0"


def test_a_mount_is_written_as_on_the_command_line_too() -> None:
    mount = {"claim": "data", "mount_path": "/data", "read_only": False}
    assert read_volume("data:/data") == read_volume("data /data") == mount
    assert read_volume("data:/data read-only") == mount | {"read_only": True}
    with pytest.raises(InvalidRequest):
        read_volume("data:data")


async def test_only_claims_of_its_namespace_are_offered() -> None:
    here = cronjob("a", claims=("here",))
    there = msgspec.structs.replace(cronjob("b", claims=("there",)), namespace="shop")
    async with app_of(CannedClient([here, there], [])).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "shop" in screen(pilot))
        await pilot.press("n")
        await until(
            pilot,
            lambda: running_app(pilot).frame.place.kind == "form" and running_app(pilot).frame.view.ready,
        )
        await fill_field(pilot, "namespace", "shop")
        assert form(pilot).suggested_texts("volumes.0") == ["there"]
        form(pilot).refresh_fields(at="volumes.0")
        await until(pilot, lambda: "CLAIM /PATH" in screen(pilot) and "there" in screen(pilot))


async def test_a_choice_on_a_screen_that_is_too_narrow_for_it_and_a_text_wider_than_its_field() -> None:
    async with app_of(CannedClient()).run_test(size=(80, 24)) as pilot:
        await open_form(pilot)
        await fill_field(pilot, "image", "漢" * 60 + "末")
        await until(pilot, lambda: "漢末" in screen(pilot))
        row = next(line for line in screen(pilot).splitlines() if "漢末" in line)
        assert cell_len(row.rstrip()) < 80, "what is typed last is in sight, with the cursor behind it"
        form(pilot).refresh_fields(at="suspend")
        await pilot.resize_terminal(20, 9)
        await until(pilot, lambda: "> suspended       [" in screen(pilot))


class SlowCronJobs(CannedCronJobs):
    """CronJobs that are read once `answers` is set."""

    def __init__(self, canned: CannedClient) -> None:
        super().__init__(canned)
        self.answers = asyncio.Event()

    async def spec_with_tag(self, namespace: str, name: str) -> TaggedSpec:
        await self.answers.wait()
        return await super().spec_with_tag(namespace, name)


async def test_what_is_typed_before_the_cronjob_was_read_is_not_lost() -> None:
    client = ClientWithStorage()
    client.spec = CronJobCreate(
        name="x", image="busybox", schedule="0 3 * * *", policy=BackupPolicySpec(storage_id="vault")
    )
    slow = client.cronjobs = SlowCronJobs(client)
    async with app_of(client, start="policies").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "pg-" in screen(pilot))
        await pilot.press("e")
        await until(pilot, lambda: "[Backup]" in screen(pilot))
        await pilot.press("2", "h")
        slow.answers.set()
        await until(pilot, lambda: form(pilot).draft["policy.rpo_seconds"] == "2h")
        assert form(pilot).draft["image"] == "busybox"

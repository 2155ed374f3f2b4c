"""Content of the storages view: a row for each, and details of the row under the cursor."""

from collections.abc import Sequence
from datetime import datetime

from kronkeep_common.models import BackupStorage, CronJob, StorageUsage
from kronkeep_common.models.storage import EVERY_NAMESPACE
from kronkeep_common.models.storage_layout import Layout
from kronkeep_common.states import MoveState, RotationState
from kronkeep_common.storage_place import describe_place
from kronkeep_common.text import age, count_words, days, duration, growth, size
from kronkeep_tui.pages.status_words import CAPACITY_WARNING, bar, blocks, cause, state, used_share
from kronkeep_tui.password_words import password_words
from kronkeep_tui.store import Store
from kronkeep_tui.widgets.cells import Span, Text, wrap
from kronkeep_tui.widgets.row_table import Column, TableRow

COLUMNS = (
    Column(title="ST", width=5, letter="s"),
    Column(title="STORAGE", width=14, grow=2, letter="n"),
    Column(title="KIND", width=8, drop=5),
    Column(title="HOLDS", width=10, drop=4, right=True),
    Column(title="FULL", width=16, drop=1, letter="u"),
    Column(title="FULL IN", width=8, drop=3, letter="f", right=True),
    Column(title="GROWTH", width=13, drop=7, right=True),
    Column(title="SNAPSHOTS", width=10, drop=6, right=True),
    Column(title="CHECKED", width=14, drop=2),
    Column(title="POLICIES", width=9, drop=8, right=True),
    Column(title="PLACE", width=20, drop=9, grow=3),
)


BAR_CELLS = 9
LAYOUT_WORDS: dict[Layout, str] = {
    "namespace": "; a repository for each namespace",
    "policy": "; a repository for each policy",
    "shared": "; one repository for all",
}


def users(storage: BackupStorage, store: Store) -> list[CronJob]:
    """Return the CronJobs whose policy uses a storage, for its backups or for copies of them."""
    return [
        cronjob
        for cronjob in store.cronjobs
        if cronjob.policy is not None
        and (cronjob.policy.storage_id == storage.id or cronjob.policy.copy_in(storage.id) is not None)
    ]


def storage_state(storage: BackupStorage) -> Span:
    """Return a storage's state; one that is active and cannot be used, or is damaged, has failed."""
    return state("failed" if storage.has_fault else storage.status)


def current_usage(storage: BackupStorage) -> StorageUsage | None:
    """Return what was measured last; None while the storage is away, as it may hold anything by now."""
    return storage.usage if storage.is_reachable else None


def row(storage: BackupStorage, store: Store, now: datetime) -> TableRow:
    """Return the row of a storage, without figures that were measured before it was away."""
    shown, kind = storage_state(storage)
    usage = current_usage(storage)
    used = used_share(storage) if usage is not None else None
    full = "bad" if used is not None and used >= CAPACITY_WARNING else ""
    cells = (
        shown,
        storage.id,
        storage.kind,
        size(usage.used_bytes) if usage else "-",
        ((bar(100 * used, BAR_CELLS), full),) if used is not None else _no_share_words(storage),
        days(usage.days_until_full) if usage else "-",
        growth(usage.growth_bytes_per_day) if usage else "-",
        str(usage.snapshots) if usage else "-",
        _check_words(storage, now),
        str(len(users(storage, store))),
        describe_place(storage),
    )
    return TableRow(storage.id, cells, kind)


def _no_share_words(storage: BackupStorage) -> str:
    return "not measured" if storage.usage is None and storage.is_reachable else "-"


def detail(
    storage: BackupStorage, past: Sequence[StorageUsage], store: Store, now: datetime, width: int
) -> list[Text]:
    """Return state and cause, sizes and growth, checks, users, and where the passwords are."""
    lines: list[Text] = [
        (storage_state(storage), (f"  {storage.id}", "strong"), (f"  {describe_place(storage)}", "quiet"))
    ]
    lines += cause(storage.message, storage.next_step, width, "bad")
    if storage.usage is not None:
        lines += _usage_lines(storage.usage, now, is_past=current_usage(storage) is None)
    lines += _usage_history(past, width)
    lines.append((("check  ", "quiet"), *_check_words(storage, now), *_data_check_words(storage, now)))
    lines += _snapshot_lines(storage, width)
    names = ", ".join(store.label(c.namespace, c.name) for c in users(storage, store)) or "no policy uses it"
    lines += _labelled_lines("used by", names, width)
    lines += _labelled_lines("keys", password_words(storage.password_secrets), width)
    lines += _labelled_lines("serves", _served_words(storage), width)
    if storage.bandwidth:
        limits = f"{storage.bandwidth} ({storage.bandwidth_zone or 'UTC'})"
        lines += _labelled_lines("network", limits, width)
    lines += _key_lines(storage, now, width)
    return lines


def _key_lines(storage: BackupStorage, now: datetime, width: int) -> list[Text]:
    """Return what is known of its keys: whether archives can delete, a rotation that goes on, its kit."""
    lines: list[Text] = []
    if storage.maintenance_credentials is not None:
        words = {True: "cannot delete", False: "CAN DELETE", None: "not tested (T tests them)"}
        at = storage.append_only_tested_at
        tested = f", tested {age(at, now)} ago" if at is not None else ""
        lines += _labelled_lines("archives", f"{words[storage.append_only]}{tested}", width)
    rotation = storage.rotation
    if rotation is not None and rotation.state is not RotationState.DONE:
        lines += _labelled_lines("new key", str(rotation.state), width)
        lines += cause(rotation.message, rotation.next_step, width, "bad") if rotation.message else []
    move = storage.move
    if move is not None and move.state is not MoveState.DONE:
        step = f": kronkeep storage move {storage.id} --remove-old" if move.state is MoveState.KEPT else ""
        how_far = f"to {move.layout}: {move.state}, {move.copied} of {move.backups} copied{step}"
        lines += _labelled_lines("move", how_far, width)
        lines += cause(move.message, move.next_step, width, "bad") if move.message else []
    if storage.crowded:
        slowest = storage.crowded[0]
        late = f"{slowest.id} begins after {duration(slowest.first_byte_seconds)}"
        lines += _labelled_lines("crowded", late, width)
    archive = storage.history_archive
    if archive is not None:
        copied = f"copied {age(archive.archived_at, now)} ago" if archive.archived_at else "never copied"
        lines += _labelled_lines("history", copied, width)
        lines += cause(archive.message, archive.next_step, width, "bad") if archive.message else []
    return lines + _labelled_lines("kit", _kit_words(storage, now), width)


def _kit_words(storage: BackupStorage, now: datetime) -> str:
    """Return whether its recovery kit is there and opens everything."""
    verb = f"kronkeep storage recovery-kit {storage.id}"
    if storage.kit_outdated is not None:
        return f"{storage.kit_outdated.sentence} Make a new one: {verb}"
    if storage.kit_made_at is None:
        return f"no recovery kit was made: {verb}"
    if storage.kit_confirmed_at is None:
        return f"complete, made {age(storage.kit_made_at, now)} ago, not confirmed yet"
    return f"complete, was there {age(storage.kit_confirmed_at, now)} ago"


def _served_words(storage: BackupStorage) -> str:
    if not storage.namespaces:
        return "no namespace, so nobody can use it (e names some)"
    names = "all namespaces" if EVERY_NAMESPACE in storage.namespaces else ", ".join(storage.namespaces)
    return names + LAYOUT_WORDS.get(storage.layout, "")


def _snapshot_lines(storage: BackupStorage, width: int) -> list[Text]:
    """Return how the snapshots differ from the records, and why nothing is pruned; empty where all agree."""
    counts = storage.snapshots
    lines: list[Text] = []
    if counts is not None:
        notes = (
            (counts.missing, "missing", "bad"),
            (counts.unrecorded, "without a record", "warn"),
            (counts.elsewhere, "of other clusters", ""),
            (counts.foreign, "of others", ""),
        )
        words = [(f"{count} {what}  ", kind) for count, what, kind in notes if count]
        lines += [(("snapshots  ", "quiet"), *words)] if words else []
    return lines + (_labelled_lines("prune", storage.prune_waits, width) if storage.prune_waits else [])


def _labelled_lines(name: str, words: str, width: int) -> list[Text]:
    """Return a name, then text, wrapped below each other."""
    parts = wrap(words, max(10, width - 9))
    return [((f"{'' if number else name:9}", "quiet"), (part, "")) for number, part in enumerate(parts)]


def _usage_history(figures: Sequence[StorageUsage], width: int) -> list[Text]:
    """Return the sizes over time, once they were read."""
    if not figures:
        return []
    used = [float(figure.used_bytes) for figure in reversed(figures)]
    since = f"  since {figures[-1].measured_at:%d %b}"
    return [(("held   ", "quiet"), (blocks(used, max(10, width - 24), size), "accent"), (since, "quiet"))]


def _usage_lines(usage: StorageUsage, now: datetime, *, is_past: bool) -> list[Text]:
    """Return what the repositories hold, what is left of the place, growth, and when that is full.

    is_past: whether the storage has been away since.
    """
    of, left = _place_words(usage)
    level = "" if is_past else {"critical": "bad", "warning": "warn"}.get(usage.level, "")
    lines: list[Text] = [
        (
            (f"{'held' if is_past else 'holds'} {size(usage.used_bytes)}{of}", level),
            (f" in {count_words(usage.snapshots, 'snapshot')}", ""),
            (left, level),
            (f"  measured {age(usage.measured_at, now)} ago", "quiet"),
        )
    ]
    if usage.growth_bytes_per_day is not None and not is_past:
        full = f", full in {days(usage.days_until_full)}" if usage.days_until_full is not None else ""
        lines.append(((f"grows {growth(usage.growth_bytes_per_day)}{full}", level),))
    return lines


def _place_words(usage: StorageUsage) -> tuple[str, str]:
    """Return the capacity, and what is left of it, where others may fill the place, too."""
    of = f" of {size(usage.capacity_bytes)}" if usage.capacity_bytes else ""
    if usage.available_bytes is None:
        return of, ""
    return "", f", {size(usage.available_bytes)}{of} left"


def _check_words(storage: BackupStorage, now: datetime) -> Text:
    if storage.check_ok is None:
        return (("never", "quiet"),)
    words = "ok" if storage.check_ok else "FAILED"
    how = ", without a lock: none could be written" if storage.checked_without_lock else ""
    return ((f"{words} {age(storage.checked_at, now)} ago{how}", "ok" if storage.check_ok else "bad"),)


def _data_check_words(storage: BackupStorage, now: datetime) -> Text:
    """Return which part of all data was read last."""
    check = storage.data_check
    if check is None:
        return ()
    words = f"  data {check.part} of {check.parts} read {age(check.checked_at, now)} ago"
    return ((words, "quiet") if check.ok else (f"{words}: DAMAGED", "bad"),)

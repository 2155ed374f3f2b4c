"""Panel beside or below a form that explains it: in words, or as the manifest that would be sent."""

from collections.abc import Callable, Sequence

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_common.errors import NothingToArchive
from kronkeep_common.models import BackupStorage
from kronkeep_common.text import clean_lines
from kronkeep_tui.form import concurrent_changes, schedule_preview
from kronkeep_tui.form.draft import CLAIMS_KEY
from kronkeep_tui.form.form_state import FormState
from kronkeep_tui.form.schedule_fit import ScheduleFit
from kronkeep_tui.widgets.cells import Text, wrap
from kronkeep_tui.widgets.line_widget import FormPanel


class MeaningPanel(FormPanel):
    """Schedules in words, their next fire times and conflicts; `as_yaml` shows the manifest instead."""

    as_yaml = False

    def show_draft(
        self,
        filling: FormState,
        fit: ScheduleFit,
        clock: Clock,
        storages: Sequence[BackupStorage] | None,
        *,
        trial: Callable[[int], list[Text]] | None = None,
        faults: Callable[[int], list[Text]],
    ) -> None:
        """Show what a form means now.

        storages: None until they have been read.
        faults: makes the lines about faults that have no space beside their fields.
        trial: makes the lines about rules of retention for a width, while the cursor is on one.
        """

        def make(width: int) -> list[Text]:
            wide = max(30, width - 2)
            if self.as_yaml:
                lines = _yaml(filling, storages)
            elif trial is not None:
                lines = trial(wide)
            else:
                lines = _meaning(filling, fit, clock, wide)
            return [((" ", ""), *line) for line in (*faults(wide), *lines)]

        self.show(make)


def _meaning(filling: FormState, fit: ScheduleFit, clock: Clock, width: int) -> list[Text]:
    now = clock.now()
    local = now.tzinfo
    assert local is not None
    met = concurrent_changes.change_lines(filling.changes.values(), filling.draft, width)
    return [
        *met,
        *_contents(filling, width),
        *schedule_preview.preview_lines(
            filling.draft,
            fit.verdict,
            now,
            local,
            width,
            alone=fit.is_local,
            has_runs=filling.claim is None,
        ),
    ]


def _contents(filling: FormState, width: int) -> list[Text]:
    """Return what the policy leaves out, or that it archives nothing."""
    error = filling.errors(None).get(CLAIMS_KEY)
    if not isinstance(error, NothingToArchive):
        return [((part, "warn"),) for sentence in filling.warnings for part in wrap(sentence, width)]
    return [((part, "bad"),) for text in (error.message, error.next_step) for part in wrap(text, width)]


def _yaml(filling: FormState, storages: Sequence[BackupStorage] | None) -> list[Text]:
    """Return the manifest, or why there is none."""
    if filling.spec is None:
        return [((error.message, "bad"),) for error in filling.errors(storages).values()]
    import yaml

    plain = msgspec.to_builtins(filling.spec)
    body = {"kind": "CronJob", **plain}
    if filling.claim is not None:
        names = {"namespace": filling.spec.namespace, "claim": filling.claim}
        body = {"kind": "ClaimPolicy", **names, "policy": plain["policy"]}
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
    return [((line, ""),) for line in clean_lines(text)]

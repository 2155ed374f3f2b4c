"""The base of short forms: a few sections of texts, and what they would do, asked while one types."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

import msgspec
from textual.timer import Timer

from kronkeep_common.errors import DaemonUnreachable, InvalidRequest, KronkeepError, NotAllowedNow
from kronkeep_tui import actions
from kronkeep_tui.actions import handles
from kronkeep_tui.context import Context
from kronkeep_tui.form.form_rows import FormRow
from kronkeep_tui.form.short_fields import (
    Sections,
    Suggestion,
    Texts,
    fitting_suggestions,
    hint_of_row,
    rows_of_sections,
)
from kronkeep_tui.navigation import Place
from kronkeep_tui.store import Store
from kronkeep_tui.views.form_base import FormBase, with_margin
from kronkeep_tui.widgets.cells import Text
from kronkeep_tui.widgets.line_widget import FormPanel

PLAN_SECONDS = 0.4  # without a key, before the daemon is asked what the form would do
MOST_DRAFTS = 20

R = TypeVar("R", bound=msgspec.Struct)  # what is sent
P = TypeVar("P")  # what the daemon answers to a dry run of it


class ShortForm(FormBase, Generic[R, P]):
    """A form whose texts describe one request; its subclass gives sections, request and plan."""

    FIRST_FIELD = ""
    LOCKED: frozenset[str] = frozenset()

    def __init__(self, context: Context, place: Place) -> None:
        super().__init__(context, place)
        self.texts: dict[str, str] = {}
        self.plan: P | None = None
        self.plan_error: KronkeepError | None = None
        self._planned: R | None = None  # what the plan is of, or is asked for
        self._connection_of_plan = 0  # when it was asked for
        self._plan_timer: Timer | None = None
        self._touched: set[str] = set()
        self._is_tried = False
        self._refused: dict[str, tuple[str, str]] = {}  # by path: the text that was refused, and why

    # what a subclass says of itself

    def first_texts(self) -> dict[str, str]:
        """Return the texts to begin with."""
        raise NotImplementedError

    def sections(self) -> Sections:
        """Return the sections for the texts as they are."""
        raise NotImplementedError

    def request(self) -> R | None:
        """Return what the texts describe; None while something is wrong."""
        raise NotImplementedError

    def faults(self) -> dict[str, str]:
        """Return what is wrong by the field's path."""
        raise NotImplementedError

    def suggestions(self, path: str) -> Sequence[Suggestion]:
        """Return what exists for a field."""
        return ()

    def preview_lines(self, width: int) -> list[Text]:
        """Return the panel's lines."""
        raise NotImplementedError

    async def ask_plan(self, request: R) -> P:
        """Ask the daemon what a request would do; raise KronkeepError."""
        raise NotImplementedError

    def key_of_error(self, error: KronkeepError) -> str | None:
        """Return the path of the field that a refusal is about."""
        raise NotImplementedError

    async def send(self, request: R) -> None:
        """Send the request, and leave the form; raise KronkeepError."""
        raise NotImplementedError

    # what is shown

    def on_mount(self) -> None:
        """Show the texts of an earlier visit, or those to begin with."""
        kept = self.context.short_drafts.get(self._draft_key)
        self.texts = dict(kept) if kept else self.first_texts()
        self.refresh_fields(at=self.FIRST_FIELD)
        self._plan_soon()
        if kept:
            self.context.tell("This is your earlier draft; f5 discards it.", "quiet")

    @property
    def _draft_key(self) -> str:
        return f"{self.place.kind} {self.argument}"

    def create_panel(self) -> FormPanel:
        return FormPanel()

    def form_rows(self) -> list[FormRow]:
        return rows_of_sections(self.sections(), self.texts, self._visible_faults(), self.LOCKED)

    def _visible_faults(self) -> dict[str, str]:
        """Return the faults to show: of an empty field only once it was changed, or the form was sent."""
        faults = {
            path: words for path, (text, words) in self._refused.items() if self.texts.get(path, "") == text
        }
        for path, words in self.faults().items():
            if self._is_tried or path in self._touched or self.texts.get(path):
                faults[path] = words
        return faults

    def hint(self, row: FormRow) -> tuple[str, str]:
        return hint_of_row(row, self.sections(), self.suggestions(row.key)), "bad" if row.fault else "quiet"

    def suggested_texts(self, key: str) -> Sequence[str]:
        fitting = fitting_suggestions(self.suggestions(key), self.texts.get(key, ""))
        return [each.text for each in fitting]

    def accept_text(self, key: str, text: str) -> None:
        self.texts[key] = text
        self._touched.add(key)
        self.context.tell("")
        drafts = self.context.short_drafts
        drafts.pop(self._draft_key, None)
        drafts[self._draft_key] = self.texts
        while len(drafts) > MOST_DRAFTS:
            del drafts[next(iter(drafts))]
        self._plan_soon()
        self.refresh_fields()

    def show_preview(self) -> None:
        if self.query(".panel"):
            self.panel.show(self._panel_lines)
            self.fit_panel()

    def _panel_lines(self, width: int) -> list[Text]:
        inner = max(30, width - 2)
        return with_margin([*self.fault_lines(inner), *self.preview_lines(inner)])

    def show(self, store: Store, now: datetime) -> None:
        """Show the preview again: what exists may have changed."""
        if self.ready and self.texts:
            self._plan_again_if_missed()
            self.show_preview()
            self.show_hint()

    # the plan

    def _plan_soon(self) -> None:
        """Ask for the plan of the texts once nothing was typed for PLAN_SECONDS."""
        request = self.request()
        if request == self._planned:
            return
        self._forget_plan()
        self._planned = request
        if request is not None:
            self._plan_timer = self.set_timer(PLAN_SECONDS, partial(self._start_planning, request))

    def _forget_plan(self) -> None:
        self.plan = None
        self.plan_error = None
        self._planned = None
        if self._plan_timer is not None:
            self._plan_timer.stop()
            self._plan_timer = None

    def _plan_again_if_missed(self) -> None:
        """Ask for the plan that could not come as the daemon was away, once it has answered again."""
        reader = self.context.reader
        was_missed = self.plan is None and (
            self.plan_error is None or isinstance(self.plan_error, DaemonUnreachable)
        )
        if self._planned is None or not was_missed or not reader.live:
            return
        if 0 < self._connection_of_plan < reader.connections:
            self.plan_error = None
            self._start_planning(self._planned)

    def _start_planning(self, request: R) -> None:
        self._connection_of_plan = self.context.reader.connections
        if self.context.reader.live:
            self.context.start_work(self._make_plan(request), f"plan {self._draft_key}")

    async def _make_plan(self, request: R) -> None:
        try:
            plan = await self.ask_plan(request)
        except KronkeepError as error:
            if request == self._planned:
                self.plan_error = error
                self._note_refusal(error, self.texts)
        else:
            if request == self._planned:
                self.plan = plan
        if self.is_mounted:
            self.refresh_fields()
            self.context.update_bars()

    def _note_refusal(self, error: KronkeepError, sent: Texts) -> str | None:
        """Show a refusal at its field until the text there changes; return the field's path.

        sent: the texts that were refused. A field that has another text by now is not marked, and no path is
        returned.
        """
        key = self.key_of_error(error)
        text = sent.get(key, "") if key is not None else ""
        if key is None or self.texts.get(key, "") != text:
            return None
        self._refused[key] = (text, error.message)
        return key

    # sending

    def require_request(self) -> R:
        """Return what the texts describe; raise InvalidRequest at the first fault, which is then shown."""
        self._is_tried = True
        request = self.request()
        if request is not None:
            return request
        faults = self.faults()
        rows = [row.key for row in self.form_rows() if row.key in faults]
        self.refresh_fields(at=rows[0] if rows else None)
        raise InvalidRequest(next(iter(faults[key] for key in rows), "Something is wrong."), next_step="")

    def require_live(self) -> None:
        """Raise NotAllowedNow while nobody answers; what was typed stays."""
        if not self.context.reader.live:
            raise NotAllowedNow(
                "No daemon answers; what you typed is kept.", next_step="ctrl+s sends it again."
            )

    @handles(actions.SUBMIT)
    def submit(self) -> None:
        """Send what the form describes; after an error it stays as it is."""
        self.require_live()
        self.context.start_work(self.send_and_keep(self.require_request()), "save")

    async def send_and_keep(self, request: R) -> None:
        """Send the request; forget the draft once that was accepted."""
        sent = dict(self.texts)
        try:
            await self.send(request)
        except KronkeepError as error:
            key = self._note_refusal(error, sent)
            if self.is_mounted:
                self.refresh_fields(at=key)
            raise
        self.context.short_drafts.pop(self._draft_key, None)
        self.context.forget_view(self.place)

    @handles(actions.DISCARD)
    def discard_draft(self) -> None:
        """Discard what was typed."""
        self.context.short_drafts.pop(self._draft_key, None)
        self.texts = self.first_texts()
        self._touched.clear()
        self._refused.clear()
        self._is_tried = False
        self._plan_soon()
        self.refresh_fields(at=self.FIRST_FIELD)

    @handles(actions.BACK)
    def go_back(self) -> None:
        """Leave the form; what was typed is kept."""
        kept = self._draft_key in self.context.short_drafts
        self.context.leave()
        if kept:
            self.context.tell("Your draft is kept until you quit: open the form again.", "quiet")

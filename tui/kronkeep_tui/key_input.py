"""What a key means: an answer to the open prompt, or an action of the view in front."""

from typing import Protocol

from textual import events
from textual.widget import Widget

from kronkeep_tui.actions import Action
from kronkeep_tui.keymap import Keymap
from kronkeep_tui.textual_internals import forward_event
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.message_line import MessageLine


class KeyTarget(Protocol):
    """The screen whose keys are handled."""

    keymap: Keymap
    message_line: MessageLine

    @property
    def view(self) -> View:
        """The view in front."""

    @property
    def focused(self) -> Widget | None:
        """The field that gets keys before the screen does."""

    def perform(self, action: Action) -> None:
        """Do an action in the view in front, or show why it cannot be done."""

    def tell(self, text: str, role: str = "warn") -> None:
        """Show a message until the next action."""

    def answer(self, key: str, character: str | None) -> None:
        """Give a key to the open prompt."""


class KeyInput:
    """Handles the keys that no field of a form has taken."""

    def __init__(self, target: KeyTarget) -> None:
        self._target = target

    def press(self, event: events.Key) -> None:
        """Handle a key; one that means nothing here goes on to Textual."""
        target = self._target
        if not target.view.ready:
            self._replay_when_ready(events.Key(event.key, event.character))
        elif target.message_line.is_asking:
            target.answer(event.key, event.character)
        elif (action := target.keymap.action_for(target.view.SCOPES, event.key)) is not None:
            target.perform(action)
        elif explanation := target.keymap.explain(event.key):
            target.tell(explanation)
        else:
            return
        event.stop()
        event.prevent_default()

    def _replay_when_ready(self, event: events.Key) -> None:
        """Replay a key pressed before its view was mounted, so that keys typed fast are not lost."""

        def replay() -> None:
            if self._target.focused is not None:
                forward_event(self._target.focused, event)
            else:
                self.press(event)

        self._target.view.when_ready(replay)

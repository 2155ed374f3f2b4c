"""The line above the key bar: a message, or a prompt while one is open."""

from kronkeep_tui.prompt import Prompt
from kronkeep_tui.widgets.cells import wrap
from kronkeep_tui.widgets.line_widget import TemporaryLines, TextLine


class MessageLine(TextLine):
    """One line for messages and prompts; `overflow` lies over the view and shows longer messages in full."""

    def __init__(self) -> None:
        super().__init__(id="message")
        self.overflow = TemporaryLines(id="more")
        self._prompt: Prompt | None = None
        self._message = ("", "")

    @property
    def is_asking(self) -> bool:
        """Whether a prompt is open."""
        return self._prompt is not None

    def tell(self, text: str, role: str) -> None:
        """Show a message in a role; while a prompt is open, once it has ended."""
        self._message = (text, role)
        if self._prompt is None:
            lines = wrap(text, self.app.size.width - 2)
            self.say((f" {lines[0]}" if text else "", role))
            self.overflow.fit([((line, role),) for line in lines] if len(lines) > 1 else [])

    def speak(self, text: str) -> None:
        """Show the row under the cursor in words, for screen readers, where neither message nor prompt is."""
        if self._prompt is None and not self._message[0]:
            self.say((text, ""))

    def ask(self, prompt: Prompt) -> None:
        """Open a prompt, which gets the keys until it has ended."""
        self._prompt = prompt
        self._show_prompt()

    def cancel(self) -> None:
        """Close the prompt without an answer."""
        self._prompt = None
        self.tell("", "")

    def press(self, key: str, character: str | None) -> None:
        """Give a key to the prompt; raise KronkeepError if its answer is refused, which ends it too."""
        prompt = self._prompt
        if prompt is None:
            return
        ended = True
        try:
            ended = prompt.press(key, character)
        finally:
            # An answer may have opened another prompt, which stays.
            if self._prompt is prompt:
                if ended:
                    self._end(prompt)
                else:
                    self._show_prompt()

    def _end(self, prompt: Prompt) -> None:
        self._prompt = None
        text, role = self._message
        self.tell(prompt.notice or text, role)

    def paste(self, text: str) -> None:
        """Give pasted text to the prompt."""
        if self._prompt is not None:
            self._prompt.paste(text)
            self._show_prompt()

    def _show_prompt(self) -> None:
        if self._prompt is not None:
            self.say((f" {self._prompt.shown}", self._prompt.role), (self._prompt.completion, "quiet"))

"""The line above the key bar: a message, or a prompt while one is open."""

from collections.abc import Sequence

from rich.cells import cell_len

from kronkeep_common.clock import Clock
from kronkeep_common.errors import KronkeepError
from kronkeep_tui.prompt import Prompt
from kronkeep_tui.widgets.cells import Text, plain, wrap, wrap_anywhere
from kronkeep_tui.widgets.line_widget import TemporaryLines, TextLine

ROWS_BELOW = 1  # the key bar
# That a question is on the screen before a key answers it: what was typed before is no answer to it.
REST_SECONDS = 0.3


class MessageLine(TextLine):
    """One line for messages and prompts; `overflow` lies over the view and shows longer ones in full.

    What has several lines is drawn by `overflow` alone, which then covers this line, too.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(id="message")
        self.overflow = TemporaryLines(id="more")
        self._clock = clock
        self._asked_at = 0.0  # of the monotonic clock
        self._was_early = False
        self._prompt: Prompt | None = None
        self._message = ("", "")

    @property
    def is_asking(self) -> bool:
        """Whether a prompt is open."""
        return self._prompt is not None

    @property
    def width(self) -> int:
        """How many cells a line has between its margins."""
        return max(1, self.app.size.width - 2)

    def tell(self, text: str, role: str) -> None:
        """Show a message in a role; while a prompt is open, once it has ended."""
        self._message = (text, role)
        if self._prompt is None:
            self._show_message()

    def withdraw(self, text: str) -> None:
        """Remove a message, where it is shown now."""
        if self._message[0] == text:
            self.tell("", "")

    def _show_message(self) -> None:
        text, role = self._message
        self._put_lines([((line, role),) for line in wrap(text, self.width)] if text else [])

    def _put_lines(self, lines: Sequence[Text]) -> None:
        """Draw one line here, several lines over the view and this line."""
        if len(lines) == 1:
            self.say((" ", ""), *lines[0])
        else:
            self.say(("", ""))
        shown = lines[-max(1, self.app.size.height - ROWS_BELOW) :]
        self.overflow.fit(shown if len(shown) > 1 else [])

    def fit_overflow(self) -> None:
        """Draw message or prompt for another size of the screen."""
        if self._prompt is not None:
            self._show_prompt()
        else:
            self._show_message()

    def speak(self, text: str) -> None:
        """Show the row under the cursor in words, for screen readers, where neither message nor prompt is."""
        if self._prompt is None and not self._message[0]:
            self.say((text, ""))

    def ask(self, prompt: Prompt) -> None:
        """Open a prompt, which gets the keys until it has ended."""
        self._prompt = prompt
        self._asked_at = self._clock.monotonic()
        self._was_early = False
        self._show_prompt()

    def cancel(self) -> None:
        """Close the prompt without an answer."""
        self._prompt = None
        self.tell("", "")

    def press(self, key: str, character: str | None) -> None:
        """Give a key to the prompt; raise KronkeepError if its answer is refused and that ends it."""
        prompt = self._prompt
        if prompt is None:
            return
        self._was_early = self._is_early(prompt) and key != "escape"
        ended = not self._was_early
        try:
            ended = ended and prompt.press(key, character)
        except KronkeepError as error:
            ended = not prompt.refuse(error)
            if ended:
                raise
        finally:
            # An answer may have opened another prompt, which stays.
            if self._prompt is prompt:
                if ended:
                    self._end(prompt)
                else:
                    self._show_prompt()

    def _is_early(self, prompt: Prompt) -> bool:
        return prompt.must_rest and self._clock.monotonic() - self._asked_at < REST_SECONDS

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
        """Draw the question in whole words, then what is typed on lines of its own."""
        prompt = self._prompt
        if prompt is None:
            return
        if (beside := _hint_beside(prompt, self.width)) is not None:
            self._put_lines([beside])
            return
        question = wrap(prompt.question, self.width) if prompt.question else []
        lines: list[Text] = [((line, prompt.role),) for line in question]
        if self._was_early:
            lines.append((("That key came before the question could be read: answer it now.", "warn"),))
        if prompt.shown:
            lines += _wrap_answer(prompt, self.width)
        self._put_lines(lines)


def _hint_beside(prompt: Prompt, width: int) -> Text | None:
    """Return what was typed and its hint as one line, which repaints only that; None if it is too long."""
    if not prompt.has_hint or not prompt.question:
        return None
    answer = _wrap_answer(prompt, width)
    line: Text = (*answer[-1], ("   ", ""), (prompt.question, "quiet"))
    return line if len(answer) == 1 and cell_len(plain(line)) <= width else None


def _wrap_answer(prompt: Prompt, width: int) -> list[Text]:
    """Return what was typed on lines of `width` cells, with the cursor where it is not at the end."""
    lines: list[Text] = []
    before = 0
    for typed in wrap_anywhere(prompt.shown, width):
        at = -1 if prompt.cursor is None else prompt.cursor - before
        before += len(typed)
        if 0 <= at < len(typed):
            lines.append(((typed[:at], prompt.role), (typed[at], "cursor"), (typed[at + 1 :], prompt.role)))
        else:
            lines.append(((typed, prompt.role),))
    return [*lines[:-1], (*lines[-1], (prompt.completion, "quiet"))]

"""Questions in the message line, one at a time: a line of text, yes or no, a name to type, one letter."""

from collections.abc import Callable, Sequence
from typing import Protocol

from kronkeep_common.errors import KronkeepError
from kronkeep_tui.line_edit import EditedLine


class Prompt(Protocol):
    """A question that gets every key until it has ended."""

    role: str
    """The role in which it is drawn."""
    notice: str
    """What the message line shows once it has ended without being accepted."""

    @property
    def question(self) -> str:
        """What is asked, in whole words above the line that is typed; empty where `shown` says it."""

    @property
    def shown(self) -> str:
        """What has been typed, or the whole of a short question."""

    @property
    def completion(self) -> str:
        """What `tab` would add to the text."""

    @property
    def cursor(self) -> int | None:
        """Where in `shown` the next letter goes; None where that is its end, or nothing is typed."""

    @property
    def has_hint(self) -> bool:
        """Whether the question is only what the text may become, which may stand beside it."""

    @property
    def must_rest(self) -> bool:
        """Whether keys count only once the question could be read, as one of them changes something."""

    def press(self, key: str, character: str | None) -> bool:
        """Handle a key; return whether the prompt has ended."""

    def refuse(self, error: KronkeepError) -> bool:
        """Take the refusal of an answer; return whether the prompt stays open for another."""

    def paste(self, text: str) -> None:
        """Insert pasted text into the answer."""


REPLACED = "typing replaces it, space adds to it"


def ignore_text(_text: str) -> None:
    """Do nothing with a prompt's text."""


def offer_nothing(_text: str) -> Sequence[str]:
    """Return no completions for a prompt."""
    return ()


class LinePrompt:
    """A line of text that is typed after `lead`, below a question that may be long.

    `accept` gets the text at enter, `on_change` after each edit; `on_cancel` is called at escape. `complete`
    returns whole texts that may follow what is typed. `history` holds earlier texts, the newest last; with
    `on_arrow`, up (-1) and down (1) go there instead. Where `required` is set, only that text is accepted.
    `describe` returns what stands above the text as it is; `on_save` gets the text at ctrl+s.

    An answer that is refused stays open for correction. With `is_filter` a first letter replaces the text
    that was there, other keys edit it; and the columns of a refusal are those
    of the text, and the cursor goes behind the word at fault.
    """

    must_rest = False

    def __init__(
        self,
        lead: str,
        accept: Callable[[str], None],
        *,
        question: str = "",
        text: str = "",
        required: str = "",
        on_change: Callable[[str], None] = ignore_text,
        on_cancel: Callable[[], None] | None = None,
        complete: Callable[[str], Sequence[str]] = offer_nothing,
        history: Sequence[str] = (),
        on_arrow: Callable[[int], None] | None = None,
        describe: Callable[[str], str] | None = None,
        on_save: Callable[[str], None] | None = None,
        is_filter: bool = False,
    ) -> None:
        self.role = "bad" if required else "accent"
        self.notice = ""
        self.text = text
        self._at = len(text)
        self._refusal = ""
        self._question = question
        self._describe = describe
        self._lead = lead
        self._accept = accept
        self._required = required
        self._on_change = on_change
        self._on_cancel = on_cancel
        self._complete = complete
        self._history = history
        self._history_steps = 0
        self._on_arrow = on_arrow
        self._on_save = on_save
        self._is_filter = is_filter
        self._is_untouched = is_filter and bool(text)  # then a letter replaces the text

    @property
    def question(self) -> str:
        """What is asked, what the text may become, or why it was refused."""
        asked = self._describe(self.text) if self._describe is not None else self._question
        return " ".join(filter(None, (asked, REPLACED if self._is_untouched else "", self._refusal)))

    @property
    def has_hint(self) -> bool:
        """Whether the question is only what the text may become."""
        return self._describe is not None and not self._refusal

    @property
    def shown(self) -> str:
        """The lead, the text, and a cursor at its end."""
        return f"{self._lead}{self.text}{'_' if self.cursor is None else ''}"

    @property
    def cursor(self) -> int | None:
        """Where the next letter goes; None at the end of the text."""
        return len(self._lead) + self._at if self._at < len(self.text) else None

    @property
    def completion(self) -> str:
        """What `tab` would add to the text."""
        texts = self._complete(self.text) if self.cursor is None else ()
        return texts[0][len(self.text) :] if texts and texts[0].startswith(self.text) else ""

    def press(self, key: str, character: str | None) -> bool:
        """Handle a key; return whether the prompt has ended."""
        if key == "escape":
            if self._on_cancel is not None:
                self._on_cancel()
            return True
        if key == "enter":
            return self._finish()
        if key == "ctrl+s" and self._on_save is not None and self.text.strip():
            self._on_save(self.text.strip())
            return True
        self._edit(key, character)
        return False

    def paste(self, text: str) -> None:
        """Insert the first line of pasted text."""
        if text:
            line = EditedLine() if self._is_untouched else self._line
            self._is_untouched = False
            self._set_line(line.insert(text.splitlines()[0]))

    def refuse(self, error: KronkeepError) -> bool:
        """Show why the text was refused, and put the cursor behind the word at fault."""
        self._refusal = f"{error.message} {error.next_step}".strip()
        column = error.details.get("column")
        if self._is_filter and isinstance(column, int) and 0 < column <= len(self.text):
            word = self.text[column - 1 :].split(" ", 1)[0]
            self._at = column - 1 + len(word)
        return True

    @property
    def _line(self) -> EditedLine:
        return EditedLine(self.text, self._at)

    def _finish(self) -> bool:
        """Hand the text on; return whether that has ended the prompt: a text that does not match has not."""
        if not self._required or self.text == self._required:
            self._accept(self.text)
            return True
        if not self.text:
            self.notice = "Nothing was done."
            return True
        self._set_text("")  # what is typed next is another try
        self._refusal = "That does not match; nothing was done."
        return False

    def _edit(self, key: str, character: str | None) -> None:
        is_replaced = self._is_untouched and character is not None and character.isprintable()
        self._is_untouched = False
        if is_replaced and key != "space":
            self._set_line(EditedLine().insert(character or ""))
        elif key in ("tab", "right") and self.cursor is None:
            self._set_text(self.text + self.completion)
        elif key in ("up", "down") and self._on_arrow is not None:
            self._on_arrow(-1 if key == "up" else 1)
        elif key in ("up", "down") and self._history:
            self._recall(1 if key == "up" else -1)
        elif (line := self._line.press(key, character)) is not None:
            self._set_line(line)

    def _recall(self, step: int) -> None:
        self._history_steps = max(0, min(self._history_steps + step, len(self._history)))
        self._set_text(self._history[-self._history_steps] if self._history_steps else "")

    def _set_text(self, text: str) -> None:
        self._set_line(EditedLine(text, len(text)))

    def _set_line(self, line: EditedLine) -> None:
        self._at = line.cursor
        if line.text != self.text:
            self.text = line.text
            self._refusal = ""
            self._on_change(line.text)


class LetterPrompt:
    """A question that one key answers; `choose` gets its character, or nothing for a key without one."""

    has_hint = False

    def __init__(self, question: str, choose: Callable[[str], None]) -> None:
        self.role = "accent"
        self.notice = ""
        self.question = question
        self.shown = ""
        self.completion = ""
        self.cursor = None
        self.must_rest = False
        self._choose = choose

    def press(self, key: str, character: str | None) -> bool:  # noqa: ARG002 - a prompt gets both
        """Hand the character on."""
        self._choose(character or "")
        return True

    def refuse(self, error: KronkeepError) -> bool:  # noqa: ARG002 - as every prompt
        """End: the message line shows why."""
        return False

    def paste(self, text: str) -> None:
        """Ignore pasted text: it answers nothing."""


class YesNoPrompt:
    """A question before a change: `y` calls `confirm`, any other key does nothing."""

    has_hint = False

    def __init__(self, question: str, confirm: Callable[[], None]) -> None:
        self.role = "bad"
        self.notice = ""
        self.question = f"{question} y/n"
        self.shown = ""
        self.completion = ""
        self.cursor = None
        self.must_rest = True
        self._confirm = confirm

    def press(self, key: str, character: str | None) -> bool:  # noqa: ARG002 - a prompt gets both
        """Confirm on `y`, else refuse."""
        if character in ("y", "Y"):
            self._confirm()
        else:
            self.notice = "Nothing was done."
        return True

    def refuse(self, error: KronkeepError) -> bool:  # noqa: ARG002 - as every prompt
        """End: the message line shows why."""
        return False

    def paste(self, text: str) -> None:
        """Ignore pasted text: it confirms nothing."""


def name_prompt(question: str, name: str, confirm: Callable[[], None]) -> LinePrompt:
    """Return a question before a change that is confirmed by typing a name, or a number as text."""

    def accept(_name: str) -> None:
        confirm()

    return LinePrompt("> ", accept, question=f"{question} Type {name} and enter:", required=name)

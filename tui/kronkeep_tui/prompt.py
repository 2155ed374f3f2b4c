"""The reserved line: one question at a time, answered in place; no window opens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


def nothing(_: str) -> None:
    """Does nothing."""


@dataclass
class Prompt:
    """A text being typed after `lead`; `wanted` must be matched where it is set (`y` by one key).

    `accept` gets the text at enter, `change` at each key, `cancel` at escape; `complete` gives what may
    follow; `arrows` gets up (-1) and down (1).
    """

    lead: str
    accept: Callable[[str], None]
    wanted: str = ""
    text: str = ""
    change: Callable[[str], None] = nothing
    cancel: Callable[[], None] = lambda: None
    complete: Callable[[str], Sequence[str]] = lambda _: ()
    past: Sequence[str] = ()
    arrows: Callable[[int], None] | None = None
    refusal: str = ""
    _place: int = field(default=0)

    @property
    def shown(self) -> str:
        """The line."""
        return self.lead if self.wanted == "y" else f"{self.lead}{self.text}_"

    @property
    def offered(self) -> str:
        """What `tab` would add."""
        found = self.complete(self.text)
        return found[0][len(self.text) :] if found and found[0].startswith(self.text) else ""

    def press(self, key: str, character: str | None) -> bool:
        """Takes a key; True when the prompt has ended."""
        if self.wanted == "y":
            return self._answer(character in ("y", "Y"))
        if key == "escape":
            self.cancel()
            return True
        if key == "enter":
            return self._answer(not self.wanted or self.text == self.wanted)
        self._edit(key, character)
        return False

    def paste(self, text: str) -> None:
        """Takes pasted text; only its first line."""
        self._set(self.text + text.splitlines()[0] if text else self.text)

    def _answer(self, right: bool) -> bool:
        if right:
            self.accept(self.text)
        else:
            self.refusal = "The name does not match; nothing was done." if self.text else "Nothing was done."
        return True

    def _edit(self, key: str, character: str | None) -> None:
        if key in ("backspace", "ctrl+h"):
            self._set(self.text[:-1])
        elif key == "ctrl+u":
            self._set("")
        elif key == "ctrl+w":
            self._set("".join(self.text.rstrip().rpartition(" ")[:2]))
        elif key in ("tab", "right"):
            self._set(self.text + self.offered)
        elif key in ("up", "down") and self.arrows is not None:
            self.arrows(-1 if key == "up" else 1)
        elif key in ("up", "down") and self.past:
            self._recall(1 if key == "up" else -1)
        elif character is not None and character.isprintable():
            self._set(self.text + character)

    def _recall(self, step: int) -> None:
        self._place = max(0, min(self._place + step, len(self.past)))
        self._set(self.past[-self._place] if self._place else "")

    def _set(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.change(text)


def confirm(question: str, wanted: str, do: Callable[[], None]) -> Prompt:
    """A question before a change: `y` by one key, or a name that is typed."""
    lead = f"{question} y/n" if wanted == "y" else f"{question} Type {wanted} and enter: "
    return Prompt(lead=lead, accept=lambda _: do(), wanted=wanted)

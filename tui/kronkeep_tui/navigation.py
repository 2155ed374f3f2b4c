"""Where one is and was: places, the way down to the present one, and the history of ways; pure."""

from typing import NamedTuple


class Place(NamedTuple):
    """A kind of view and what it shows: a CronJob's or a run's id, or nothing."""

    kind: str
    of: str = ""


Way = tuple[Place, ...]
KEPT = 50


class Navigation:
    """The way from a tab to the view in front, and the ways before and after it."""

    def __init__(self, start: Place) -> None:
        self._ways: list[Way] = [(start,)]
        self._at = 0

    @property
    def way(self) -> Way:
        """From the tab down to the view in front."""
        return self._ways[self._at]

    @property
    def place(self) -> Place:
        """The view in front."""
        return self.way[-1]

    def go(self, way: Way) -> None:
        """Goes another way; what was ahead in the history is forgotten."""
        if way != self.way:
            self._ways = [*self._ways[: self._at + 1], way][-KEPT:]
            self._at = len(self._ways) - 1

    def enter(self, place: Place) -> None:
        """Goes one step in."""
        self.go((*self.way, place))

    def instead(self, place: Place) -> None:
        """Goes to a place beside this one."""
        self.go((*self.way[:-1], place))

    def out(self) -> bool:
        """Goes one step out; False at a tab."""
        if len(self.way) == 1:
            return False
        self.go(self.way[:-1])
        return True

    def step(self, steps: int) -> bool:
        """Goes back (-1) or forward in the history; False where it ends."""
        to = self._at + steps
        if not 0 <= to < len(self._ways):
            return False
        self._at = to
        return True

    def swap(self) -> bool:
        """Goes to the way before this one, so that twice is here again."""
        if self._at == 0:
            return False
        self.go(self._ways[self._at - 1])
        return True

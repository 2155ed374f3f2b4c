"""Where one is and was: places, the way down to the present one, and the history of ways; pure."""

from typing import NamedTuple


class Place(NamedTuple):
    """A kind of view and what it shows: a CronJob's or a run's id, or nothing."""

    kind: str
    argument: str = ""


PlacePath = tuple[Place, ...]
MOST_PATHS = 50


class Navigation:
    """The way from a tab to the view in front, and the ways before and after it."""

    def __init__(self, start: Place) -> None:
        self._history: list[PlacePath] = [(start,)]
        self._position = 0

    @property
    def path(self) -> PlacePath:
        """From the tab down to the view in front."""
        return self._history[self._position]

    @property
    def place(self) -> Place:
        """The view in front."""
        return self.path[-1]

    def go(self, way: PlacePath) -> None:
        """Goes another way; what was ahead in the history is forgotten."""
        if way != self.path:
            self._history = [*self._history[: self._position + 1], way][-MOST_PATHS:]
            self._position = len(self._history) - 1

    def enter(self, place: Place) -> None:
        """Goes one step in."""
        self.go((*self.path, place))

    def replace(self, place: Place) -> None:
        """Goes to a place beside this one."""
        self.go((*self.path[:-1], place))

    def leave(self) -> bool:
        """Goes one step out; False at a tab."""
        if len(self.path) == 1:
            return False
        self.go(self.path[:-1])
        return True

    def step_history(self, steps: int) -> bool:
        """Goes back (-1) or forward in the history; False where it ends."""
        to = self._position + steps
        if not 0 <= to < len(self._history):
            return False
        self._position = to
        return True

    def toggle_previous(self) -> bool:
        """Goes to the way before this one, so that twice is here again."""
        if self._position == 0:
            return False
        self.go(self._history[self._position - 1])
        return True

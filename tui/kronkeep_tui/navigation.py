"""Where the user is and was: places, the path to the current one, and the history of paths."""

from typing import NamedTuple


class Place(NamedTuple):
    """A kind of view, and what it is about, such as a run's id; each view says what it takes."""

    kind: str
    argument: str = ""


PlacePath = tuple[Place, ...]
MOST_PATHS = 50


class Navigation:
    """The path from a tab to the view in front, and the history of paths around it."""

    def __init__(self, start: Place) -> None:
        self._history: list[PlacePath] = [(start,)]
        self._position = 0

    @property
    def path(self) -> PlacePath:
        """The places from the tab to the view in front."""
        return self._history[self._position]

    @property
    def place(self) -> Place:
        """The place of the view in front."""
        return self.path[-1]

    def go(self, way: PlacePath) -> None:
        """Go to a path; forget the paths after the current one."""
        if way != self.path:
            self._history = [*self._history[: self._position + 1], way][-MOST_PATHS:]
            self._position = len(self._history) - 1

    def enter(self, place: Place) -> None:
        """Go to a place one step further in."""
        self.go((*self.path, place))

    def replace(self, place: Place) -> None:
        """Go to a place instead of the current one."""
        self.go((*self.path[:-1], place))

    def leave(self) -> bool:
        """Go one step out; return False at a tab."""
        if len(self.path) == 1:
            return False
        self.go(self.path[:-1])
        return True

    def step_history(self, steps: int) -> bool:
        """Go back (-1) or forward (1) in the history; return False at its end."""
        to = self._position + steps
        if not 0 <= to < len(self._history):
            return False
        self._position = to
        return True

    def toggle_previous(self) -> bool:
        """Toggle between the current and the previous path; return False where there is none."""
        if self._position == 0:
            return False
        self.go(self._history[self._position - 1])
        return True

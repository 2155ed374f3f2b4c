"""The views that are kept: one is displayed, and of the others the most recently used stay."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Self

from textual.containers import Container
from textual.geometry import Region

from kronkeep_tui.navigation import Place
from kronkeep_tui.views.view import View
from kronkeep_tui.widgets.line_widget import UnscrolledWidget

MOST_VIEWS = 16


class Covered(UnscrolledWidget):
    """A widget that its children always cover fully, so a refresh of the whole is skipped."""

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Repaint regions that are asked for, never the whole."""
        return super().refresh(
            *regions, repaint=repaint and bool(regions), layout=layout, recompose=recompose
        )


class ViewCache(Container, Covered):
    """The views that are kept, the one used last at the end."""

    DEFAULT_CSS = "ViewCache { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._views: OrderedDict[Place, View] = OrderedDict()
        self._unopened: dict[Place, View] = {}

    def __contains__(self, place: object) -> bool:
        return place in self._views

    def __bool__(self) -> bool:
        return bool(self._views)

    def at(self, place: Place) -> View | None:
        """Return the view of a place, None if there is none yet."""
        return self._views.get(place)

    def named(self, place: Place, create: Callable[[], View]) -> View:
        """Return the view of a place, or an unmounted one of which only the name is used.

        A command such as `:run ID` goes to a place whose way was never walked.
        """
        view = self._views.get(place)
        if view is not None:
            return view
        if place not in self._unopened:
            self._unopened = {place: create()}
        return self._unopened[place]

    def add(self, place: Place, view: View) -> None:
        """Mount a view out of sight: until its widgets exist, the view before it stays displayed."""
        self._views[place] = view
        view.display = False
        self.mount(view)

    def display_only(self, view: View) -> None:
        """Display one view and hide all others, in one frame."""
        for other in self._views.values():
            other.display = other is view

    def discard(self, place: Place) -> None:
        """Remove the view of a place, if there is one."""
        view = self._views.pop(place, None)
        if view is not None:
            view.is_left = True
            view.remove()

    def mark_used(self, place: Place, keep: Collection[Place]) -> None:
        """Note that a view was just used, and discard the oldest beyond MOST_VIEWS except those to `keep`."""
        self._views.move_to_end(place)
        for old in list(self._views):
            if len(self._views) > MOST_VIEWS and old not in keep:
                self.discard(old)

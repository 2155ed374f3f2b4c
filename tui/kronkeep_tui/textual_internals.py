"""The places where kronkeep relies on how Textual works inside; Textual is pinned exactly because of them.

Each function names the member it uses, which Textual may change without notice, and why no public one serves.
These classes change its behaviour by overriding public members: `line_widget.UnscrolledWidget` (its size
asks for no second layout), `view_cache.Covered` (no repaint of what is covered) and the driver of `sgr_diff`.
"""

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate
from textual.events import Event
from textual.widget import Widget


def forward_event(widget: Widget, event: Event) -> None:
    """Let a widget handle an event as if it had just come from the terminal (Widget._forward_event).

    `post_message` would skip the widget's bindings and what Textual does before it handles a key.
    """
    widget._forward_event(event)


def forget_rendered_lines(widget: Widget) -> None:
    """Discard the lines that Textual has rendered for a widget (Widget._styles_cache).

    A hidden widget is otherwise shown once with its old lines, and with the new ones only in the frame after.
    """
    widget._styles_cache.clear()


def send_changed_cells_only() -> None:
    """Let updates begin where a line differs; ChopsUpdate.render_segments begins at the widget's edge.

    A row of 200 cells of which the last three differ costs 30 bytes and not 450.
    """
    ChopsUpdate.render_segments = _render_segments  # type: ignore[assignment, method-assign]


def _render_segments(update: ChopsUpdate, console: Console) -> str:
    """Return the sequences that draw the spans of an update, each from its first cell to its last."""
    sequences: list[str] = []
    last_y = update.spans[-1][0]
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x >= last or end <= first:
                continue
            start = max(x, first)
            sequences.append(Control.move_to(start, y).segment.text)
            sequences.append(strip.crop(start - x, min(end, last) - x).render(console))
        if y != last_y:
            sequences.append("\n")
    return "".join(sequences)

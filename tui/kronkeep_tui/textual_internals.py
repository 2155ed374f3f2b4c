"""The places where kronkeep relies on how Textual works inside; Textual is pinned exactly because of them.

Each function names the member it uses, which Textual may change without notice, and why no public one serves.
These classes change its behaviour by overriding public members: `line_widget.UnscrolledWidget` (its size
asks for no second layout), `view_cache.Covered` (no repaint of what is covered) and the driver of `sgr_diff`.
"""

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

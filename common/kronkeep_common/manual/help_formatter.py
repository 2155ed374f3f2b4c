"""Help as argparse prints it, within the width of the screen: usages, choices and texts are wrapped."""

import argparse
import re
import textwrap
from collections.abc import Iterable
from typing import Any

# A group in brackets of a usage, with what is inside, or a word outside of them.
_USAGE_PART = re.compile(r"\(.*?\)+(?=\s|$)|\[.*?\]+(?=\s|$)|\S+")
_USAGE_INDENT = 6  # as wide as `usage:`


class HelpFormatter(argparse.HelpFormatter):
    """A formatter that keeps indented lines of descriptions and epilogs, and wraps all others.

    argparse has no public way to change how help is laid out: its own formatters override these methods too.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for is_kept, block in _blocks(text.strip("\n").expandtabs().split("\n")):
            lines += block if is_kept else textwrap.wrap(" ".join(block), width) or [""]
        return "\n".join(f"{indent}{line}".rstrip() for line in lines)

    def _format_usage(self, *args: Any, **kwargs: Any) -> str:
        usage = super()._format_usage(*args, **kwargs)
        lines = usage.rstrip("\n").split("\n")
        if all(len(line) <= self._width for line in lines):
            return usage
        parts = _USAGE_PART.findall(" ".join(usage.split()))
        return "\n".join(_wrap_usage(parts, self._width)) + usage[len(usage.rstrip("\n")) :]

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Return the names of an option once, each with its value only where that is the last."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


def _blocks(lines: Iterable[str]) -> Iterable[tuple[bool, list[str]]]:
    """Yield lines in blocks; the first value says whether its lines stay as they are."""
    block: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith(" "):
            block.append(line)
            continue
        if block:
            yield False, block
            block = []
        yield True, [line]
    if block:
        yield False, block


def _wrap_usage(parts: Iterable[str], width: int) -> list[str]:
    """Return a usage in lines; a group that is wider than a line is broken at its words."""
    lines = [""]
    for part in parts:
        is_wide = len(part) > width - _USAGE_INDENT
        for word in part.split() if is_wide else [part]:
            if lines[-1].strip() and len(lines[-1]) + 1 + len(word) > width:
                lines.append(" " * _USAGE_INDENT)
            lines[-1] += f" {word}" if lines[-1] else word
    return lines

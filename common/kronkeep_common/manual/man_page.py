"""Manual pages in the macros of man(7), as `man`, `mandoc` and lintian read them.

A page has no date, so that the same source gives the same bytes.
"""

import argparse
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kronkeep_common.manual.parser_actions import list_actions, list_commands

SOURCE = "kronkeep"


class PageName(NamedTuple):
    """The name of a page and its section of the manual, such as kronkeepd and 8."""

    name: str
    section: int

    @property
    def file_name(self) -> str:
        """The name of the page's file, such as kronkeepd.8."""
        return f"{self.name}.{self.section}"

    @property
    def reference(self) -> str:
        """The page as other pages refer to it."""
        return rf"\fB{_escape(self.name)}\fP({self.section})"


def _escape(text: str) -> str:
    r"""Return text for running lines: `\`, `-`, and a dot or quote that begins a line stay."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return "\n".join(rf"\&{line}" if line[:1] in (".", "'") else line for line in text.split("\n"))


def head(page: PageName, summary: str, version: str) -> str:
    """Return the title and the section NAME; `summary` is one line without a full stop."""
    title = f'.TH "{page.name.upper()}" {page.section} "" "{SOURCE} {version}" "{SOURCE}"'
    plain = summary.rstrip(".")
    return f"{title}\n.nh\n.ad l\n.SH NAME\n{_escape(page.name)} \\- {_escape(plain)}\n"


def section(title: str, body: str) -> str:
    """Return a section, or nothing where its body is empty."""
    return f".SH {title}\n{body}" if body else ""


def subsection(title: str, body: str) -> str:
    """Return a subsection, or nothing where its body is empty."""
    return f'.SS "{_escape(title)}"\n{body}' if body else ""


def paragraph(text: str) -> str:
    """Return text as paragraphs, which empty lines separate; indented lines stay as they are."""
    blocks = [block for block in text.strip("\n").split("\n\n") if block.strip()]
    return "".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    if any(line.startswith("  ") for line in block.split("\n")):
        return example(block)
    return f".PP\n{_escape(' '.join(block.split()))}\n"


def example(text: str) -> str:
    """Return text whose lines stay as they are."""
    return f".PP\n.nf\n{_escape(text)}\n.fi\n"


def entries(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms with their texts."""
    return "".join(f".TP\n\\fB{_escape(term)}\\fP\n{_escape(text) or chr(92) + '&'}\n" for term, text in rows)


def references(pages: Sequence[PageName]) -> str:
    """Return the section SEE ALSO."""
    return section("SEE ALSO", ",\n".join(page.reference for page in pages) + "\n")


def arguments(parser: argparse.ArgumentParser) -> str:
    """Return the arguments of a parser, which stand at their places, with their help."""
    return _entries_of(parser, [action for action in list_actions(parser) if not action.option_strings])


def options(parser: argparse.ArgumentParser) -> str:
    """Return the options of a parser with their help."""
    return _entries_of(parser, [action for action in list_actions(parser) if action.option_strings])


def _entries_of(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> str:
    return entries((_term(action), _help(parser, action)) for action in actions)


def _term(action: argparse.Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    if not action.help or action.help == argparse.SUPPRESS:
        return ""
    return action.help % {**vars(action), "prog": parser.prog}


def synopsis(parser: argparse.ArgumentParser) -> str:
    """Return the usage of a parser as argparse writes it."""
    usage = parser.format_usage().removeprefix("usage:")
    return _escape(" ".join(usage.split())) + "\n"


def commands(parser: argparse.ArgumentParser) -> str:
    """Return every command below a parser, each with its usage, description and options."""
    text = ""
    for command in list_commands(parser):
        description = command.parser.description or command.summary
        epilog = paragraph(command.parser.epilog or "")
        body = synopsis(command.parser) + paragraph(description) + arguments(command.parser)
        body += options(command.parser) + epilog
        text += subsection(command.parser.prog, body) + commands(command.parser)
    return text

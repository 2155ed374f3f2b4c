"""A parser of arguments whose refusals say which words there are, and which one was probably meant."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from kronkeep_common.manual.help_formatter import HelpFormatter
from kronkeep_common.name_suggestions import suggest_name
from kronkeep_common.text import clean

# argparse's words for a value that is not among the choices; the quotes depend on Python's version.
_CHOICE = re.compile(r"argument (\S+): invalid choice: '?(.*?)'? \(choose from (.*)\)", re.DOTALL)
# argparse's words for a value that a function refused, with the function's name.
_VALUE = re.compile(r"argument (\S+): invalid (\w+) value: '?(.*?)'?", re.DOTALL)
_FORMS = {
    "int": "it must be a whole number",
    "float": "it must be a number",
    "read_count": "it must be a whole number from 1 on",
}
_NOUNS = {"VERB": "verb", "WORK": "verb", "KIND": "kind", "TOOL": "tool", "WHAT": "kind of file"}


class CommandParser(argparse.ArgumentParser):
    """The parser of the command line or of one verb; it prints its own usage with what it refuses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter, **kwargs})
        self.color = False  # of Python 3.14: the command line prints no colours
        self._has_verbs = False

    def add_subparsers(self, **kwargs: Any) -> Any:
        """Add verbs; each has a parser of its own, which refuses what it does not know."""
        self._has_verbs = True
        return super().add_subparsers(**kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse words; refuse those that are left over, with this parser's usage."""
        options, rest = super().parse_known_args(args, namespace)
        for action in self._actions:
            value = getattr(options, action.dest, None)
            is_word = not action.option_strings and action.nargs != argparse.REMAINDER
            if is_word and (value == "" or (isinstance(value, list) and "" in value)):
                self.error(f"{action.metavar or action.dest} is empty.")
        if rest and not self._has_verbs:
            self.error(self._describe_unknown(rest))
        return options, rest

    def _describe_unknown(self, words: Sequence[str]) -> str:
        word = words[0]
        text = f"{clean(word, 100)!r} is not known here."
        if not word.startswith("-"):
            return text
        advice = suggest_name(word.partition("=")[0], self._option_string_actions)
        return f"{text} {advice}"

    def error(self, message: str) -> NoReturn:
        """Print the usage and what is wrong on standard error, and exit with 2."""
        if match := _CHOICE.fullmatch(message):
            noun, word, choices = match.groups()
            names = [name.strip(" '") for name in choices.split(",")]
            noun = _NOUNS.get(noun.strip("{}"), noun)
            text = f"{clean(word, 100)!r}"
            refusal = f"{noun} cannot be {text}" if noun.startswith("-") else f"there is no {noun} {text}"
            message = f"{refusal}. {suggest_name(word, names)}"
        if match := _VALUE.fullmatch(message):
            name, function, word = match.groups()
            form = _FORMS.get(function, "it is not of the right form, see --help")
            message = f"{name} cannot be {clean(word, 100)!r}: {form}."
        self.exit(2, f"{self.format_usage()}kronkeep: {message}\n")

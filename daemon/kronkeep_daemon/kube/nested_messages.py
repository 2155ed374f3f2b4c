"""Messages of Kubernetes, runtimes and registries on one line, without what they say twice; pure.

Each layer wraps the error of the one below it and often repeats it or the name that it is about:
`configmap "app" not found. not found`, `failed to resolve reference "x:1": x:1: not found`. The scheduler
says for preemption once more that no node is available.
"""

import re

from kronkeep_common.text import clean

LONGEST = 500  # characters of a message
_LONGEST_READ = 4 * LONGEST
_SHORTEST_REPEAT = 4  # characters; shorter ends are numbers and letters, not repeated words
_LINE_BREAK = re.compile(r"[ \t\r]*\n\s*")  # mount(8) prints several lines
_SEPARATOR = re.compile(r"\. |: |, |; |\n")
# Each leaves out the second mention of a name.
_REPEATED_NAMES = (
    re.compile(r'("([^"\n]+)"): failed to (?:pull and unpack image|resolve reference|resolve image) "\2"'),
    re.compile(r'("([^"\n]+)"): \2(?=: )'),
)
# What the scheduler's plugin for ResourceClaims adds for every pod that it could not help (1.36).
_OTHER_CLAIMS = re.compile(r"\. (?:no new claims to deallocate|not found),?(?=\s|$)")
_PREEMPTION = re.compile(r"\.? preemption: \d+/\d+ nodes are available: .*", re.DOTALL)


def clean_message(text: str) -> str:
    """Return a message on one harmless line of at most LONGEST characters, see the module."""
    text = text[:_LONGEST_READ].strip()
    if "nodes are available" in text:
        text = _PREEMPTION.sub(".", _OTHER_CLAIMS.sub("", text))
    for pattern in _REPEATED_NAMES:
        text = _replace_all(pattern, text)
    shorter = _without_repeated_end(text)
    while shorter != text:
        text = shorter
        shorter = _without_repeated_end(text)
    return clean(_LINE_BREAK.sub(" ", text), LONGEST)


def _replace_all(pattern: re.Pattern[str], text: str) -> str:
    """Apply a pattern until it no longer matches: a message may nest one name several times."""
    shorter = pattern.sub(r"\1", text)
    while shorter != text:
        text = shorter
        shorter = pattern.sub(r"\1", text)
    return text


def _without_repeated_end(text: str) -> str:
    """Return the text without its end, where that repeats the words right before it."""
    for separator in _SEPARATOR.finditer(text):
        head = text[: separator.start()]
        tail = text[separator.end() :].rstrip(". \n")
        if tail and _ends_with(head.rstrip(". \n"), tail):
            return head
    return text


def _ends_with(head: str, tail: str) -> bool:
    if head == tail:
        return True
    return len(tail) >= _SHORTEST_REPEAT and head.endswith(tail) and head[-len(tail) - 1] in " \n["

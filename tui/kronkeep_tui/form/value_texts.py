"""How values are written in one line, and read again; each `read` undoes its `write`.

A Secret's key is `SECRET/KEY`, `SECRET` alone means its key `password`. Durations are like `1h30m`; a number
alone is seconds. Words are a shell's, quotes and all, though no shell ever sees them. What cannot be read
raises InvalidRequest with one sentence.
"""

import re
import shlex
from decimal import Decimal
from typing import Any

from kronkeep_common.errors import InvalidRequest
from kronkeep_common.text import clean

Plain = dict[str, Any]
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,3})?)([KMGTP]?)i?B?")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_FROM = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*) from (\S+)")


def read_duration(text: str) -> float:
    """Seconds."""
    if _NUMBER.fullmatch(text):
        return float(text)
    found = _DURATION.fullmatch(text.replace(" ", ""))
    if found is None or not text:
        raise InvalidRequest("A duration is like 90s, 10m, 1h30m or 2d.")
    return sum(
        float(number) * unit for number, unit in zip(found.groups(), _UNITS.values(), strict=True) if number
    )


def write_duration(seconds: float) -> str:
    """A text that reads as the same seconds, in units where they are whole."""
    if seconds != int(seconds):
        return f"{Decimal(repr(seconds)):f}s"
    left = int(seconds)
    parts = []
    for name, unit in _UNITS.items():
        count, left = divmod(left, unit)
        parts += [f"{count}{name}"] if count else []
    return "".join(parts) or "0s"


def read_size(text: str) -> int:
    """Bytes; units are binary, however they are written: 500G, 500Gi and 500GiB are the same."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidRequest(f"{clean(repr(text), 40)} is no size.", next_step="Write it like 500Gi.")
    return round(Decimal(found[1]) * (1 << 10 * " KMGTP".index(found[2] or " ")))


def write_size(count: int) -> str:
    """A text that reads as the same bytes, in the largest unit in which they are whole."""
    power = 0
    while count and count % 1024 == 0 and power < 5:
        count = count // 1024
        power = power + 1
    return f"{count}{' KMGTP'[power]}i" if power else str(count)


def read_words(text: str) -> list[str]:
    """The words of a command."""
    try:
        return shlex.split(text)
    except ValueError as fault:
        raise InvalidRequest(f"A quote is not closed: {clean(str(fault), 60)}.") from fault


def write_words(words: list[str]) -> str:
    """A command as one would type it."""
    return shlex.join(words)


def read_secret(text: str) -> Plain:
    """A reference to a Secret's key."""
    secret, slash, key = text.partition("/")
    if not secret or (slash and not key) or " " in text:
        raise InvalidRequest("A Secret's key is written SECRET/KEY, or SECRET alone for its key password.")
    return {"secret": secret, "key": key} if slash else {"secret": secret}


def write_secret(value: Plain) -> str:
    """The reference, in one word."""
    return f"{value['secret']}/{value.get('key', 'password')}"


def read_env(text: str) -> Plain:
    """One environment variable: `NAME=value`, or `NAME from SECRET/KEY`."""
    found = _FROM.fullmatch(text.strip())
    if found:
        return {"name": found[1], "secret": read_secret(found[2])}
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidRequest("A variable is written NAME=value, or NAME from SECRET/KEY.")
    return {"name": name.strip(), "value": value}


def write_env(value: Plain) -> str:
    """The variable."""
    if value.get("secret") is not None:
        return f"{value['name']} from {write_secret(value['secret'])}"
    return f"{value['name']}={value.get('value') or ''}"


def read_volume(text: str) -> Plain:
    """`CLAIM /PATH`, with `read-only` after it where nothing may be written."""
    words = read_words(text)
    if len(words) not in (2, 3) or not words[1].startswith("/") or words[2:] not in ([], ["read-only"]):
        raise InvalidRequest("A claim is mounted as: CLAIM /PATH, or CLAIM /PATH read-only.")
    return {"claim": words[0], "mount_path": words[1], "read_only": len(words) == 3}


def write_volume(value: Plain) -> str:
    """The mount."""
    words = [value["claim"], value["mount_path"], *(["read-only"] if value.get("read_only") else [])]
    return write_words(words)


def read_claim(text: str) -> Plain:
    """`CLAIM`, or `CLAIM PATH ...` with paths below it."""
    claim, *paths = read_words(text)
    return {"claim": claim, "paths": paths}


def write_claim(value: Plain) -> str:
    """The claim and its paths."""
    return write_words([value["claim"], *value.get("paths", ())])


def read_secret_env(text: str) -> tuple[str, Plain]:
    """`NAME from SECRET/KEY`, as a name and the reference."""
    found = _FROM.fullmatch(text.strip())
    if not found:
        raise InvalidRequest("A variable from a Secret is written NAME from SECRET/KEY.")
    return found[1], read_secret(found[2])


_OPTIONS = {"timeout": "timeout_seconds", "on-failure": "on_failure", "when": "when"}


def read_hook(text: str) -> Plain:
    """`NAME IMAGE [timeout=10m] [on-failure=continue] [when=failure] [VAR=SECRET/KEY ...] -- COMMAND ...`."""
    words = read_words(text)
    if "--" not in words or words.index("--") < 2 or words[-1] == "--":
        raise InvalidRequest("A hook is written NAME IMAGE [timeout=10m] [on-failure=continue] -- COMMAND.")
    place = words.index("--")
    hook: Plain = {"name": words[0], "image": words[1], "command": words[place + 1 :]}
    for word in words[2:place]:
        key, sign, value = word.partition("=")
        if not sign:
            raise InvalidRequest(f"{clean(repr(word), 60)} is not like KEY=VALUE.")
        if key == "timeout":
            hook["timeout_seconds"] = read_duration(value)
        elif key in _OPTIONS:
            hook[_OPTIONS[key]] = value
        else:
            hook.setdefault("env", {})[key] = read_secret(value)
    return hook


def write_hook(value: Plain) -> str:
    """The hook, with its options where they are not the usual ones."""
    words = [value["name"], value["image"]]
    if "timeout_seconds" in value:
        words.append(f"timeout={write_duration(value['timeout_seconds'])}")
    words += [f"{key}={value[_OPTIONS[key]]}" for key in ("on-failure", "when") if _OPTIONS[key] in value]
    words += [f"{name}={write_secret(secret)}" for name, secret in value.get("env", {}).items()]
    return write_words([*words, "--", *value["command"]])

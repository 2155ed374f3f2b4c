"""Values as texts of one line: each `read_` function reverses its `write_` function.

A Secret's key is `SECRET/KEY`; `SECRET` alone means its key `password`. Durations are like `1h30m`, and a
number alone is seconds. Commands are words as in a shell, with quotes, though no shell runs them. The `read_`
functions raise InvalidRequest with one sentence.
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
    """Read a duration in seconds: 90s, 10m, 1h30m, 2d, or a number of seconds."""
    if _NUMBER.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text.replace(" ", ""))
    if match is None or not text:
        raise InvalidRequest("A duration is like 90s, 10m, 1h30m or 2d.")
    return sum(
        float(number) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True) if number
    )


def write_duration(seconds: float) -> str:
    """Write seconds as 1d2h3m4s; a fraction of a second as 0.5s."""
    if seconds != int(seconds):
        return f"{Decimal(repr(seconds)):f}s"
    rest = int(seconds)
    parts = []
    for name, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        parts += [f"{count}{name}"] if count else []
    return "".join(parts) or "0s"


def read_size(text: str) -> int:
    """Read a size in bytes; units are binary, however they are written: 500G, 500Gi, 500GiB."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"{clean(repr(text), 40)} is no size.", next_step="Write it like 500Gi.")
    return round(Decimal(match[1]) * (1 << 10 * " KMGTP".index(match[2] or " ")))


def write_size(count: int) -> str:
    """Write bytes in the largest unit in which they are a whole number: 500Gi."""
    power = 0
    while count and count % 1024 == 0 and power < 5:
        count = count // 1024
        power = power + 1
    return f"{count}{' KMGTP'[power]}i" if power else str(count)


def read_words(text: str) -> list[str]:
    """Read the words of a command."""
    try:
        return shlex.split(text)
    except ValueError as fault:
        raise InvalidRequest(f"A quote is not closed: {clean(str(fault), 60)}.") from fault


def write_words(words: list[str]) -> str:
    """Write the words of a command, with quotes where they need them."""
    return shlex.join(words)


def read_secret(text: str) -> Plain:
    """Read a reference to a Secret's key: SECRET/KEY, or SECRET for its key password."""
    secret, slash, key = text.partition("/")
    if not secret or (slash and not key) or " " in text:
        raise InvalidRequest("A Secret's key is written SECRET/KEY, or SECRET alone for its key password.")
    return {"secret": secret, "key": key} if slash else {"secret": secret}


def write_secret(value: Plain) -> str:
    """Write a reference to a Secret's key as SECRET/KEY."""
    return f"{value['secret']}/{value.get('key', 'password')}"


def read_env(text: str) -> Plain:
    """Read an environment variable: `NAME=value`, or `NAME from SECRET/KEY`."""
    match = _FROM.fullmatch(text.strip())
    if match:
        return {"name": match[1], "secret": read_secret(match[2])}
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidRequest("A variable is written NAME=value, or NAME from SECRET/KEY.")
    return {"name": name.strip(), "value": value}


def write_env(value: Plain) -> str:
    """Write an environment variable as `read_env` reads it."""
    if value.get("secret") is not None:
        return f"{value['name']} from {write_secret(value['secret'])}"
    return f"{value['name']}={value.get('value') or ''}"


def read_volume(text: str) -> Plain:
    """Read a mount: `CLAIM /PATH`, or `CLAIM /PATH read-only`; `CLAIM:/PATH` is the command line's."""
    first, *others = read_words(text)
    words = [*first.split(":", 1), *others]
    if len(words) not in (2, 3) or not words[1].startswith("/") or words[2:] not in ([], ["read-only"]):
        raise InvalidRequest(
            "A claim is mounted as: CLAIM /PATH, or CLAIM /PATH read-only; CLAIM:/PATH is taken, too."
        )
    return {"claim": words[0], "mount_path": words[1], "read_only": len(words) == 3}


def write_volume(value: Plain) -> str:
    """Write a mount as `read_volume` reads it."""
    words = [value["claim"], value["mount_path"], *(["read-only"] if value.get("read_only") else [])]
    return write_words(words)


def read_claim(text: str) -> Plain:
    """Read a claim to archive: `CLAIM`, or `CLAIM PATH ...` with paths below it."""
    claim, *paths = read_words(text)
    return {"claim": claim, "paths": paths}


def write_claim(value: Plain) -> str:
    """Write a claim and its paths as `read_claim` reads them."""
    return write_words([value["claim"], *value.get("paths", ())])


def read_secret_env(text: str) -> tuple[str, Plain]:
    """Read `NAME from SECRET/KEY` as a name and the reference."""
    match = _FROM.fullmatch(text.strip())
    if not match:
        raise InvalidRequest("A variable from a Secret is written NAME from SECRET/KEY.")
    return match[1], read_secret(match[2])


_OPTIONS = {"timeout": "timeout_seconds", "on-failure": "on_failure", "when": "when"}


def read_hook(text: str) -> Plain:
    """Read a hook.

    `NAME IMAGE [timeout=10m] [on-failure=continue] [when=failure] [VAR=SECRET/KEY ...] -- COMMAND ...`
    """
    words = read_words(text)
    if "--" not in words or words.index("--") < 2 or words[-1] == "--":
        raise InvalidRequest("A hook is written NAME IMAGE [timeout=10m] [on-failure=continue] -- COMMAND.")
    separator = words.index("--")
    hook: Plain = {"name": words[0], "image": words[1], "command": words[separator + 1 :]}
    for word in words[2:separator]:
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
    """Write a hook as `read_hook` reads it, with the options that are set."""
    words = [value["name"], value["image"]]
    if "timeout_seconds" in value:
        words.append(f"timeout={write_duration(value['timeout_seconds'])}")
    words += [f"{key}={value[_OPTIONS[key]]}" for key in ("on-failure", "when") if _OPTIONS[key] in value]
    words += [f"{name}={write_secret(secret)}" for name, secret in value.get("env", {}).items()]
    return write_words([*words, "--", *value["command"]])


def read_copy(text: str) -> Plain:
    """Read a copy: `STORAGE [schedule='0 4 * * *'] [rpo_seconds=26h] [retention.days=90] ...`.

    The names are those of the policy; durations are written as such, a list as words in quotes.
    """
    words = read_words(text)
    if not words or "=" in words[0]:
        raise InvalidRequest("A copy is written STORAGE [schedule='0 4 * * *'] [retention.days=90].")
    copy: Plain = {"storage_id": words[0]}
    for word in words[1:]:
        path, sign, value = word.partition("=")
        if not sign or not value:
            raise InvalidRequest(f"{clean(repr(word), 60)} is not like KEY=VALUE.")
        *groups, name = path.split(".")
        owner = copy
        for group in groups:
            owner = owner.setdefault(group, {})
        owner[name] = _read_copy_value(path, value)
    return copy


def _read_copy_value(path: str, value: str) -> Any:
    if path.endswith("_seconds"):
        return read_duration(value)
    if path.endswith(".command"):
        return read_words(value)
    is_number = path.startswith("retention.") and value.isascii() and value.isdigit() and len(value) < 12
    return int(value) if is_number else value


def write_copy(value: Plain) -> str:
    """Write a copy as `read_copy` reads it."""
    fields = {path: each for path, each in _flatten(value).items() if path != "storage_id"}
    return write_words([value["storage_id"], *(f"{path}={each}" for path, each in fields.items())])


def _flatten(value: Plain, before: str = "") -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, each in value.items():
        path = f"{before}{name}"
        if isinstance(each, dict):
            texts |= _flatten(each, f"{path}.")
        elif path.endswith("_seconds"):
            texts[path] = write_duration(each)
        else:
            texts[path] = write_words(list(each)) if isinstance(each, list | tuple) else str(each)
    return texts

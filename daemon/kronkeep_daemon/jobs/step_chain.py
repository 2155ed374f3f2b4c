"""Steps of a Job that run one after the other in one container, and whose output is separated again; pure.

A container takes a kubelet about 1.5 s to start, so steps that need the same image, mounts and rights share
one. A shell script runs them: it prints a line before and after each, and ends with the exit code of the
first that fails. Each step's output lies between its two lines.

What a step prints is not trusted: a file's name may look like such a line. So the line before a step has the
SHA-256 of a random secret, and the line after it the secret, which nobody can know until it is printed.
"""

import re
from collections.abc import Sequence
from hashlib import sha256

CONTAINER = "steps"  # begins the names of the containers whose logs are taken apart
_BEGIN_LINE = re.compile(rb"kronkeep:begin ([a-z0-9][-a-z0-9]{0,62}) ([0-9a-f]{64})")
_END_LINE = re.compile(rb"kronkeep:end ([0-9a-f]{64}) (\d{1,3})")
# The arguments are, for each step: its name, the number of words of its command line, and those words. Only
# the shell, head and sha256sum are used, which busybox has as well. Each step's two outputs are one, so that
# the line after it comes last. The shell is the container's first process, for which the kernel ignores a
# SIGTERM without a trap; `wait` ends early when the trap has run, so it is repeated while the step is alive.
# Kubernetes replaces `$$` and `$(NAME)` in commands: there is neither.
SCRIPT = (
    'program=; stopped=; trap \'stopped=1; [ -z "$program" ] || kill "$program" 2>/dev/null\' TERM; at=1; '
    'while [ "$at" -le $# ]; do '
    'eval "name=\\${$at} words=\\${$((at + 1))}"; first=$((at + 2)); at=$((first + words)); command=; '
    'while [ "$first" -lt "$at" ]; do command="$command \\"\\${$first}\\""; first=$((first + 1)); done; '
    "secret=$(head -c 32 /dev/urandom | sha256sum); secret=${secret%% *}; "
    'seal=$(printf %s "$secret" | sha256sum); printf "kronkeep:begin %s %s\\n" "$name" "${seal%% *}"; '
    '(trap - TERM; eval "exec $command") 2>&1 & program=$!; '
    'wait "$program"; code=$?; '
    'while kill -0 "$program" 2>/dev/null; do wait "$program"; code=$?; done; program=; '
    'printf "\\nkronkeep:end %s %s\\n" "$secret" "$code"; '
    '[ "$code" -eq 0 ] || exit "$code"; [ -z "$stopped" ] || exit 143; done'
)


def chain_argv(steps: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Return the command line that runs the steps, each a name and a command line."""
    words = [word for name, argv in steps for word in (name, str(len(argv)), *argv)]
    return ["sh", "-c", SCRIPT, "sh", *words]


def is_chain(container: str) -> bool:
    """Whether a container of that name runs steps."""
    return container == CONTAINER or container.startswith(f"{CONTAINER}-")


class ChainReader:
    """A reader of the log of such a container, line by line.

    steps: the names of the steps that have begun, in their order.
    exit_codes: of those that have ended, by name.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.exit_codes: dict[str, int] = {}
        self._current = ""
        self._seal = b""

    @property
    def unfinished(self) -> str | None:
        """The step that has begun and not ended."""
        return self._current or None

    def read(self, line: bytes) -> str | None:
        """Take the next line, without its time and line feed; return whose it is, None for the script's."""
        if self._current:
            if self._ends(line):
                return None
            return self._current
        begin = _BEGIN_LINE.fullmatch(line)
        if begin is not None:
            self._current = begin[1].decode()
            self._seal = begin[2]
            self.steps.append(self._current)
            return None
        return CONTAINER if line else None

    def _ends(self, line: bytes) -> bool:
        end = _END_LINE.fullmatch(line)
        if end is None or sha256(end[1]).hexdigest().encode() != self._seal:
            return False
        self.exit_codes[self._current] = int(end[2])
        self._current = ""
        return True

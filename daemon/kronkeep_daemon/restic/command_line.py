"""What every restic command line shares: the program's name, its global options and a time limit.

The modules of the subcommands write `restic` for the program; `complete` puts its path and the options of the
repository in, once it is known which image runs it and where the repository is.
"""

import os
import re
from collections.abc import Sequence

PROGRAM = "restic"
PROBE_SECONDS = 60  # restic repeats a request that is not answered for up to 15 minutes
_UNSAFE = re.compile("[\udc80-\udcff$]")
NO_PASSWORD = "--insecure-no-password"  # noqa: S105 (an option of restic 0.17 and later)


# Ends as the program does, or with 124 where it took too long, whichever timeout(1) runs it: GNU's ends with
# 124, or 137 after a SIGKILL; busybox's becomes the program, which dies of SIGTERM (143) or SIGKILL (137), or
# catches SIGTERM as restic does from 0.17 on, which ends with 1 and from 0.19 on with 130: so whatever fails
# after that time took too long. That restic does not end while it waits for ssh: hence -k.
# The shell is the container's first process, for which the kernel ignores a SIGTERM without a trap.
_LIMIT = (
    "end=$(($(date +%s) + $1)); "
    'timeout -k 5 "$@" & program=$!; trap "kill $program; exit 143" TERM; wait $program; code=$?; '
    "case $code in 0) ;; 124|130|137|143) code=124;; *) [ $(date +%s) -lt $end ] || code=124;; esac; "
    "exit $code"
)


def limit_time(seconds: int, argv: Sequence[str]) -> list[str]:
    """Return the command line that ends with exit code 124 when `argv` takes longer than `seconds`."""
    return ["sh", "-c", _LIMIT, "sh", str(seconds), *argv]


# Decodes the arguments that begin with BYTES, then becomes the program. The dot keeps line feeds at the end.
_BYTES = "bytes:"
_DECODE = (
    "count=$#; while [ $count -gt 0 ]; do value=$1; shift; "
    f'case $value in {_BYTES}*) value=$(printf "%b." "${{value#{_BYTES}}}"); value=${{value%.}};; esac; '
    'set -- "$@" "$value"; count=$((count - 1)); done; exec "$@"'
)


def keep_bytes(argv: Sequence[str]) -> list[str]:
    """Return a command line whose arguments a container gets byte for byte.

    A manifest can hold neither bytes that are not UTF-8 (surrogates in `argv`), nor `$$` and `$(NAME)`, which
    the kubelet replaces. Where there are such, a shell makes them; other command lines are unchanged.
    """
    encoded = [_encode_argument(argument) if _UNSAFE.search(argument) else argument for argument in argv]
    return encoded if encoded == list(argv) else ["sh", "-c", _DECODE, "sh", *encoded]


def _encode_argument(argument: str) -> str:
    """Return an argument with its unsafe bytes in octal, as printf's `%b` reads them."""
    data = os.fsencode(argument)
    return _BYTES + "".join(chr(c) if 0x20 <= c < 0x7F and c not in b"\\$" else f"\\0{c:03o}" for c in data)


def complete(argv: Sequence[str], *, program: str, options: Sequence[str]) -> list[str]:
    """Return the command line with the program's path and restic's global `options` after it.

    A command line of another program is returned unchanged.
    """
    if PROGRAM not in argv:
        return list(argv)
    at = argv.index(PROGRAM)
    return [*argv[:at], program, *options, *argv[at + 1 :]]

"""The copy of the daemon's own history in a repository: written from standard input, read in pieces.

It is one file, the database of the history compressed by gzip: `restic dump latest history.db.gz | gunzip`.
The commands are for busybox: `sh`, `cat`, `sha256sum`, `tail`, `head`, `base64`.
"""

FILE = "history.db.gz"
TAG = "kronkeep-history"
NEWEST = "latest"
PARTS = "/history"  # where the parts of the file are mounted, in a folder each, whose names sort them
PART = "part"
# $0 is the SHA-256 that the parts have together; then come restic and its arguments.
_SEND = (
    f'sum=$(cat {PARTS}/*/{PART} | sha256sum); [ "${{sum%% *}}" = "$0" ] || '
    '{ echo "The parts are not those that kronkeep sent."; exit 1; }; '
    f'cat {PARTS}/*/{PART} | "$@"'
)
# $0 is the number of the first byte, counted from 1, $1 how many bytes there are, $2 the snapshot.
# `head` ends restic early.
_PIECE = (
    'length=$1; snapshot=$2; shift 2; faults="$TMPDIR/faults"; '
    f'{{ "$@" dump --no-lock --tag {TAG} "$snapshot" {FILE} 2>"$faults" || cat "$faults" >&2; }} '
    '| tail -c "+$0" | head -c "$length" | base64'
)


def backup_argv(host: str, sha256: str) -> list[str]:
    """Archive what the parts have together, after a look at whether that is whole."""
    options = ["--json", "--host", host, "--tag", TAG, "--stdin", "--stdin-filename", FILE]
    return ["sh", "-c", _SEND, sha256, "restic", "backup", *options]


def piece_argv(begin: int, length: int, snapshot: str = NEWEST) -> list[str]:
    """Print a piece of a copy in base64; less than `length` bytes where that is its end.

    begin: the number of its first byte, counted from 0.
    snapshot: the id of the copy's snapshot, or the beginning of one.
    """
    return ["sh", "-c", _PIECE, str(begin + 1), str(length), snapshot, "restic"]

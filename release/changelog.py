"""The changes of a release, from CHANGELOG.md.

python -m release.changelog debian VERSION prints a changelog for Debian's tools, `notes VERSION` prints the
section of a version, `cut VERSION DATE` gives the changes under "Unreleased" the heading of a version, and
`maintainer` prints who maintains a package that is built now (DEBFULLNAME, DEBEMAIL).
"""

import os
import re
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "CHANGELOG.md"
UNRELEASED = "Unreleased"
# Whoever builds a package for others is its maintainer; .invalid (RFC 2606) says that nobody has been named.
_NAME = os.environ.get("DEBFULLNAME", "nobody named")
MAINTAINER = f"{_NAME} <{os.environ.get('DEBEMAIL', 'maintainer@kronkeep.invalid')}>"
_HEADING = re.compile(r"^## (\S+).*\n", re.MULTILINE)


def section(text: str, version: str) -> str:
    """Return the changes of a version; those that are not released where it has no section."""
    sections = {heading[1]: heading for heading in _HEADING.finditer(text)}
    heading = sections.get(version) or sections[UNRELEASED]
    following = _HEADING.search(text, heading.end())
    return text[heading.end() : following.start() if following else None].strip("\n") + "\n"


def cut(text: str, version: str, date: str) -> str:
    """Return the file with the unreleased changes under the heading of a version.

    date: in the form 2026-11-30. Raises ValueError where there are no changes, or the version is there.
    """
    if version in {heading[1] for heading in _HEADING.finditer(text)}:
        raise ValueError(f"CHANGELOG.md has a section {version} already")
    if not section(text, UNRELEASED).strip():
        raise ValueError("CHANGELOG.md has no unreleased changes")
    return text.replace(f"## {UNRELEASED}\n", f"## {UNRELEASED}\n\n## {version} ({date})\n", 1)


def debian_changelog(version: str, moment: float) -> str:
    """Return the changelog of the Debian package; `moment` is in seconds since 1970."""
    change = f"  * Release {version}; /usr/share/doc/kronkeep/CHANGELOG.md.gz has its changes."
    head = f"kronkeep ({version}-1) unstable; urgency=medium"
    return f"{head}\n\n{change}\n\n -- {MAINTAINER}  {formatdate(moment)}\n"


def commit_time() -> float:
    """Return when the newest commit was made, in seconds since 1970, so that a build can be repeated."""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.returncode == 0 and done.stdout.strip() else time.time()


def main(words: list[str]) -> None:
    """Run one of the commands."""
    command, *rest = words
    version = rest[0] if rest else ""
    if command == "maintainer":
        sys.stdout.write(f"{MAINTAINER}\n")
    elif command == "debian":
        sys.stdout.write(debian_changelog(version, commit_time()))
    elif command == "notes":
        sys.stdout.write(section(FILE.read_text(), version))
    else:
        FILE.write_text(cut(FILE.read_text(), version, rest[1]))


if __name__ == "__main__":
    main(sys.argv[1:])

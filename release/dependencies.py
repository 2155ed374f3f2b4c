"""The dependencies that a running kronkeep needs, with the hashes of requirements.lock.

python -m release.dependencies FILE writes them as a lock file without what only builds and tests need.
"""

import re
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(\[[^]]*\])?==", re.MULTILINE)


def runtime_distributions() -> list[Distribution]:
    """Return the installed distributions that kronkeep needs to run, by name, without itself."""
    found: dict[str, Distribution] = {}
    queue = [Requirement("kronkeep")]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        installed = distribution(name)
        for line in installed.requires or []:
            needed = Requirement(line)
            extras = requirement.extras or {""}
            applies = needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras)
            if applies and canonicalize_name(needed.name) not in found:
                found[canonicalize_name(needed.name)] = distribution(needed.name)
                queue.append(needed)
    return [found[name] for name in sorted(found)]


def locked_entries(lock: Path) -> dict[str, str]:
    """Return the text of each package of a lock file, with its hashes, by name."""
    text = lock.read_text()
    starts = [*_PINNED.finditer(text)]
    ends = [*(start.start() for start in starts[1:]), len(text)]
    return {
        canonicalize_name(start[1]): text[start.start() : end]
        for start, end in zip(starts, ends, strict=True)
    }


def runtime_lock() -> str:
    """Return the part of requirements.lock that kronkeep needs to run."""
    entries = locked_entries(ROOT / "requirements.lock")
    names = [canonicalize_name(installed.name) for installed in runtime_distributions()]
    return "".join(entries[name] for name in names)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(runtime_lock())

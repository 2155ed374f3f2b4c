"""The licences of kronkeep and of what its packages hold: python -m release.licences prints debian/copyright.

The text of each vendored licence stays in its package's folder below /usr/lib/kronkeep (`*.dist-info`).
"""

import sys
from importlib.metadata import Distribution

from release.dependencies import runtime_distributions

# SPDX identifiers of licences that packages name in other words: in a classifier or their field `License`.
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
PERMITTED = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "0BSD", "Unlicense"}
)
_HEAD = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: kronkeep
Comment: The vendored Python packages below usr/lib/kronkeep have the licences that their own
 *.dist-info folders hold; the paragraphs below name them.

Files: *
Copyright: 2026 kronkeep developers
License: Apache-2.0
"""
_TAIL = """
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
"""


def licence_of(installed: Distribution) -> str:
    """Return the SPDX expression of a package's licence; raise ValueError where none is known."""
    metadata = installed.metadata
    expressions = metadata.get_all("License-Expression", [])
    if expressions:
        return str(expressions[0])
    named = [
        value.rpartition(" :: ")[2] for value in metadata.get_all("Classifier", []) if "License ::" in value
    ]
    named += [str(value).partition("\n")[0] for value in metadata.get_all("License", [])]
    for name in named:
        known = _SPDX.get(name.strip().lower()) or (name if name in PERMITTED else None)
        if known:
            return known
    raise ValueError(f"{installed.name} names no licence that is known: {named}")


def copyright_file() -> str:
    """Return Debian's copyright file."""
    rows = "".join(
        f"\nFiles: usr/lib/kronkeep/{installed.name}\nCopyright: authors of {installed.name}\n"
        f"License: {_debian_name(licence_of(installed))}\n See its folder *.dist-info.\n"
        for installed in runtime_distributions()
    )
    return _HEAD + rows + _TAIL


def _debian_name(expression: str) -> str:
    return expression.replace(" AND ", " and ").replace(" OR ", " or ")


if __name__ == "__main__":
    sys.stdout.write(copyright_file())

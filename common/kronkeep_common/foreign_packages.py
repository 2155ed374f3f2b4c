"""Imports of foreign packages whose own modules import far more than is used here.

The one place where modules of other packages are replaced, and only while they are imported: an import of the
whole package afterwards gives the whole package.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


@contextmanager
def without_modules(*names: str) -> Iterator[None]:
    """Let imports of modules raise ImportError until the block ends, unless they are imported already."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it is an ImportError
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def bare_packages(top: str, *names: str) -> Iterator[dict[str, ModuleType]]:
    """Let imports find modules of packages until the block ends without running the packages' `__init__`.

    top: the package that holds the others; where it is imported already nothing is replaced.
    names: the other packages, with their dots.

    Yields the empty packages by name, none where nothing is replaced. What was imported in the block is not
    in `sys.modules` after it, so that it is not taken for a part of the whole package.
    """
    spec = find_spec(top)
    packages: dict[str, ModuleType] = {}
    if top not in sys.modules and spec is not None:
        for name in (top, *names):
            packages[name] = ModuleType(name)
            below = name.split(".")[1:]
            packages[name].__path__ = [
                str(Path(folder, *below)) for folder in spec.submodule_search_locations or ()
            ]
    sys.modules.update(packages)
    try:
        yield packages
    finally:
        for name in [name for name in sys.modules if packages and name.partition(".")[0] == top]:
            del sys.modules[name]


def import_httpx() -> ModuleType:
    """Import httpx without its command line, which costs 35 ms of its 85 (click, rich, pygments)."""
    with without_modules("httpx._main"):
        import httpx
    return httpx

"""The bill of materials in CycloneDX 1.6: python -m release.bill_of_materials FILE.

It lists what a running kronkeep holds, from requirements.lock: versions, package URLs, licences and the
hashes of the files that an installation may have come from.
"""

import json
import re
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kronkeep_common.version import VERSION
from release.dependencies import ROOT, locked_entries, runtime_distributions
from release.licences import licence_of

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_ROOT = f"pkg:pypi/kronkeep@{VERSION}"


def bill() -> dict[str, Any]:
    """Return the bill of materials as JSON's objects; the same locks give the same bill."""
    installed = runtime_distributions()
    entries = locked_entries(ROOT / "requirements.lock")
    by_name = {str(canonicalize_name(package.name)): package for package in installed}
    components = [_component(package, entries[name]) for name, package in by_name.items()]
    serial = uuid5(NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _ROOT,
                "name": "kronkeep",
                "version": VERSION,
                "purl": _ROOT,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [
            {"ref": _ROOT, "dependsOn": [_reference(package) for package in installed]},
            *(_dependencies(package, by_name) for package in installed),
        ],
    }


def _reference(package: Distribution) -> str:
    return f"pkg:pypi/{canonicalize_name(package.name)}@{package.version}"


def _component(package: Distribution, entry: str) -> dict[str, Any]:
    licence = licence_of(package)
    is_expression = " " in licence
    files = [{"alg": "SHA-256", "content": digest} for digest in _HASH.findall(entry)]
    return {
        "type": "library",
        "bom-ref": _reference(package),
        "name": canonicalize_name(package.name),
        "version": package.version,
        "purl": _reference(package),
        "licenses": [{"expression": licence} if is_expression else {"license": {"id": licence}}],
        "externalReferences": [
            {
                "type": "distribution",
                "url": _reference(package),
                "hashes": files,
            }
        ],
    }


def _dependencies(package: Distribution, by_name: dict[str, Distribution]) -> dict[str, Any]:
    needed = {canonicalize_name(Requirement(line).name) for line in package.requires or []}
    return {
        "ref": _reference(package),
        "dependsOn": sorted(_reference(by_name[name]) for name in needed & set(by_name)),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(bill(), indent=1) + "\n")

"""TinyDB's own tests, from its source distribution, on the history's storage."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# test_storages and test_middlewares are about JSONStorage, MemoryStorage and middlewares alone.
MODULES = ("test_operations.py", "test_queries.py", "test_tables.py", "test_tinydb.py", "test_utils.py")
# They ask for the class of TinyDB's own storage, by its name.
OF_OTHER_STORAGES = ("test_table_repr", "test_access_storage", "test_storage_access")
CONFTEST = """
import pytest
from tests.integration.history import renamed_tinydb
renamed_tinydb.replace()
from tinydb.middlewares import CachingMiddleware
from tinydb.storages import MemoryStorage

@pytest.fixture
def db(tmp_path):
    db = renamed_tinydb.TinyDB(tmp_path / "db")
    db.drop_tables()
    db.insert_multiple({"int": 1, "char": c} for c in "abc")
    yield db
    db.close()

@pytest.fixture
def storage():
    return CachingMiddleware(MemoryStorage)()
"""


def fetch_suite(folder: Path) -> Path:
    """Return the folder of TinyDB's tests, of the version and hash in the lock; skip without an index."""
    (locked,) = re.findall(r"^tinydb==.*?(?=^\S|\Z)", (ROOT / "requirements.lock").read_text(), re.M | re.S)
    requirement = folder / "requirement.txt"
    requirement.write_text(re.sub(r"\s+# via.*", "\n", locked))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "tinydb"]
    done = subprocess.run(
        [*command, "--require-hashes", "-r", requirement, "-d", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"TinyDB's source distribution cannot be had: {done.stderr[-200:]}")
    (archive,) = folder.glob("tinydb-*.tar.gz")
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    suite = next(folder.glob("tinydb-*/tests")).rename(folder / "suite")
    (suite / "__init__.py").unlink()  # its package has the name of ours
    return suite


@pytest.mark.torture
def test_tinydbs_own_suite_passes_on_the_historys_storage(tmp_path: Path) -> None:
    """Fetch the suite, which needs a package index, and run it; make torture does."""
    tests = fetch_suite(tmp_path)
    (tests / "conftest.py").write_text(CONFTEST)
    own = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tests)]
    words = " and ".join(f"not {name}" for name in OF_OTHER_STORAGES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *own, "-k", words, *MODULES],
        cwd=tests,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/common:{ROOT}/daemon"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed, (\d+) deselected", done.stdout)
    assert passed is not None, done.stdout[-300:]
    assert int(passed[1]) > 100
    assert int(passed[2]) == len(OF_OTHER_STORAGES)

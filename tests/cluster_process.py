"""Embedded clusters and control planes as processes of their own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.forked_process import ForkedProcess


@contextmanager
def run_module(kubeconfig: Path, *module: str) -> Iterator[Path]:
    """Run `python -m MODULE ARGUMENT...` until the block ends.

    The block begins once the module has written `kubeconfig`, by which it is reached.
    """
    log = kubeconfig.parent.with_suffix(".log")
    with log.open("ab") as output:
        process = ForkedProcess(module, output)
    try:
        while not (kubeconfig.exists() and "users" in kubeconfig.read_text()):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)
        yield kubeconfig
    finally:
        process.kill()
        process.wait()
        process.close_pipes()


@contextmanager
def run_cluster(folder: Path, nodes: int = 1, *, machine_tools: bool = False) -> Iterator[Path]:
    """Run an embedded cluster until the block ends; its admin's kubeconfig."""
    command = ["kronkeep_daemon", "cluster", "--folder", str(folder), "--nodes", str(nodes)]
    command += ["--machine-tools"] if machine_tools else []
    with run_module(folder / "kubeconfig", *command) as kubeconfig:
        yield kubeconfig

"""Only the used part of the kubernetes package is imported, and nobody else's import of it is changed."""

import subprocess
import sys

HEAVY = ("pydantic", "urllib3", "requests", "kubernetes.client", "kubernetes.aio.client.models")


def run_program(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_a_start_imports_neither_models_nor_their_libraries_and_leaves_the_package_whole() -> None:
    program = (
        "import sys, kronkeep_daemon.app\n"
        "from kronkeep_daemon.kube.kubernetes_package import import_kubernetes\n"
        "part = import_kubernetes()\n"
        f"print([name for name in {(*HEAVY, 'httpx', 'rich')} if name in sys.modules])\n"
        "import kubernetes, kubernetes.aio\n"
        "whole = kubernetes.aio.client\n"
        "print(whole.CoreV1Api.__name__, whole.ApiClient.__name__, whole is kubernetes.client)\n"
        "print(part.RESTClientObject(whole.Configuration()).configuration is not None)"
    )
    assert run_program(program) == "[]\nCoreV1Api ApiClient False\nTrue\n"


def test_what_is_imported_already_is_used() -> None:
    program = (
        "import kubernetes.aio.client\n"
        "from kronkeep_daemon.kube.kubernetes_package import import_kubernetes\n"
        "print(import_kubernetes().Configuration is kubernetes.aio.client.Configuration)"
    )
    assert run_program(program) == "True\n"

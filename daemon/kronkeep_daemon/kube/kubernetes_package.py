"""What is used of the kubernetes package: its configuration, its kubeconfig and its connections.

`import kubernetes` loads two clients with 700 models and their libraries (urllib3, requests, pydantic), which
takes 0.3 s of CPU and 40 MB, for five modules that need none of them.
"""

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from kronkeep_common.foreign_packages import bare_packages

PACKAGES = (
    "kubernetes",
    "kubernetes.aio",
    "kubernetes.aio.client",
    "kubernetes.aio.config",
    "kubernetes.aio.utils",
)


class KubernetesPackage(NamedTuple):
    """The classes and modules of the kubernetes package that are used, by their own names."""

    Configuration: Any
    ConfigException: type[Exception]
    RESTClientObject: Any
    incluster_config: ModuleType
    kube_config: ModuleType


@cache
def import_kubernetes() -> KubernetesPackage:
    """Import the modules, the first time in 15 ms."""
    with bare_packages(*PACKAGES) as packages:
        from kubernetes.aio.client.configuration import Configuration
        from kubernetes.aio.client.rest import RESTClientObject

        if client := packages.get("kubernetes.aio.client"):
            # kube_config imports both from here; what needs its ApiClient is not used.
            client.Configuration = Configuration  # type: ignore[attr-defined]
            client.ApiClient = object  # type: ignore[attr-defined]
        from kubernetes.aio.config import incluster_config, kube_config
        from kubernetes.aio.config.config_exception import ConfigException
    return KubernetesPackage(
        Configuration=Configuration,
        ConfigException=ConfigException,
        RESTClientObject=RESTClientObject,
        incluster_config=incluster_config,
        kube_config=kube_config,
    )

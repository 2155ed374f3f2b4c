"""Configuration and credentials of one cluster, loaded by the kubernetes package as often as needed."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import getproxies

import yaml

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_common.text import clean
from kronkeep_daemon.kube import token_end
from kronkeep_daemon.kube.kubernetes_package import import_kubernetes


class LoadedAccess(NamedTuple):
    """A kubernetes.aio Configuration, and when a token ends that stands in the kubeconfig itself.

    `token_ends_at` is None for one without an end, and where a file or a program has the newest token.
    """

    settings: Any
    token_ends_at: datetime | None = None


async def load(kubeconfig: Path | None, context: str | None, in_cluster: bool) -> LoadedAccess:
    """Return configuration and credentials as they are now; raises ClusterUnreachable for unusable ones.

    Without a file, KUBECONFIG and ~/.kube/config are used. An exec plugin is run each time; where it fails,
    the package would only log that and go on without credentials, which a server answers with a misleading
    403.
    """
    package = import_kubernetes()
    settings = type.__call__(package.Configuration)
    settings.connection_pool_maxsize = 0  # unlimited: every watch and followed log holds one
    settings.disable_strict_ssl_verification = (
        True  # as kubectl: Python 3.13 refuses CAs that many clusters have
    )
    if not getproxies():
        # Nothing in the environment is of use then, and aiohttp would read ~/.netrc in a thread for each
        # request, which takes half of the request's time.
        settings.client_session_kwargs = {"trust_env": False}
    settings.retries = None  # a number, 0 too, makes the package repeat 5xx by itself and hide them
    try:
        if in_cluster:
            await asyncio.to_thread(package.incluster_config.load_incluster_config, settings)
            return LoadedAccess(settings)
        if kubeconfig is not None:
            await asyncio.to_thread(_check_file, kubeconfig)
        file = str(kubeconfig) if kubeconfig else None
        loader = await package.kube_config.load_kube_config(file, context, settings, persist_config=False)
    except PermissionError as fault:
        raise ClusterUnreachable(
            f"the kubeconfig cannot be used: {clean(str(fault), 500)}",
            next_step="Let the daemon's user read it: chgrp kronkeepd FILE, chmod 640 FILE.",
        ) from fault
    except (package.ConfigException, OSError, ValueError, KeyError) as fault:
        raise ClusterUnreachable(f"the kubeconfig cannot be used: {clean(str(fault), 500)}") from fault
    plugin = _exec_plugin(loader)
    if plugin and not settings.api_key and not settings.cert_file:
        raise ClusterUnreachable(
            f"The exec plugin {clean(plugin, 200)} of the kubeconfig gave no credentials.",
            next_step="Run it by hand as the daemon's user; its output is in the daemon's log.",
        )
    return LoadedAccess(settings, token_end.read_token_end(_find_static_token(loader)))


def _check_file(kubeconfig: Path) -> None:
    """Raise ValueError for a file without a mapping, for which the package raises a bare TypeError."""
    try:
        content = yaml.safe_load(kubeconfig.read_bytes())
    except yaml.YAMLError as fault:
        raise ValueError(f"{kubeconfig} is no YAML: {fault}") from fault
    if not isinstance(content, dict):
        raise ValueError(f"{kubeconfig} holds no kubeconfig")  # noqa: TRY004 - one kind for both faults


def _find_static_token(loader: Any) -> str:
    """Return the token that stands in the kubeconfig; empty where something else gives a newer one."""
    user = _user_of(loader)
    if user is None or user.safe_get("exec") or user.safe_get("tokenFile"):
        return ""
    return str(user.safe_get("token") or "")


def _exec_plugin(loader: Any) -> str:
    user = _user_of(loader)
    plugin = user.safe_get("exec") if user is not None else None
    return str(plugin["command"]) if plugin else ""


def _user_of(loader: Any) -> Any:
    """Return the user's part of the kubeconfig, to which the loader has no public way; None without one."""
    user = getattr(loader, "_user", None)
    return user if hasattr(user, "safe_get") else None

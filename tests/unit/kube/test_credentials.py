"""A kubeconfig that cannot be used is one sentence that names the file."""

import os
from pathlib import Path

import pytest

from kronkeep_common.errors import ClusterUnreachable
from kronkeep_daemon.kube import credentials


@pytest.mark.parametrize("text", ["", "[]", "a: [", "{}", "\x00", "current-context: x\ncontexts: []\n"])
async def test_what_is_no_kubeconfig_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ClusterUnreachable, match=str(path)):
        await credentials.load(path, None, False)


async def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="nowhere"):
        await credentials.load(tmp_path / "nowhere", None, False)


KUBECONFIG = """
current-context: x
contexts: [{name: x, context: {cluster: x, user: x}}]
clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: x, user: {}}]
"""


@pytest.mark.parametrize(
    ("proxy", "kwargs"), [("", {"trust_env": False}), ("http://proxy.invalid:3128", None)]
)
async def test_the_environment_is_read_for_its_proxies_only(
    proxy: str, kwargs: dict[str, bool] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a proxy each request would read ~/.netrc in a thread."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    settings = (await credentials.load(path, None, False)).settings
    assert settings.client_session_kwargs == kwargs

"""A kubeconfig that cannot be used is one sentence that names the file."""

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

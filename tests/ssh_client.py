"""The ssh that restic runs for SFTP, which a Debian need not have."""

import shutil

import pytest

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed (openssh-client)")

"""Messages of restic, ssh, rclone and servers, word for word, and the reason that each becomes."""

import pytest

from kronkeep_common.reasons import Reason
from kronkeep_daemon.restic import faults

TEXTS = {
    "ServerUnreachable": [
        "Fatal: unable to open config file: client.Head: Head "
        '"http://u:***@127.0.0.1:1/a/b/config": dial tcp '
        "127.0.0.1:1: connect: connection refused\nIs there a repository at the following location?\nrest:x",
        "Fatal: unable to open config file: client.Head: dial tcp: lookup nowhere.invalid on "
        "10.0.0.53:53: no such host",
        "subprocess ssh: ssh: connect to host 127.0.0.1 port 1: Connection refused\nFatal: unable to open "
        "repository at sftp:u@127.0.0.1:/x: unable to start the sftp session, error: EOF",
        "Load(<config/>, 0, 0) returned error, retrying after 552ms: dial tcp 10.0.0.9:443: i/o timeout",
    ],
    "CredentialsRefused": [
        "Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\nIs "
        "there a repository",
        "Fatal: unable to open config file: Stat: The request signature we calculated does not "
        "match the signature "
        "you provided. Check your key and signing method.\nIs there a repository at the following location?",
        "subprocess ssh: k@nas: Permission denied (publickey).\nFatal: unable to open repository "
        "at sftp:k@nas:/v",
        "Fatal: unable to open config file: Stat: Access Denied.",
    ],
    "BucketMissing": [
        "Fatal: unable to open config file: Stat: The specified bucket does not exist\nIs there a repository"
    ],
    "HostKeyRefused": ["subprocess ssh: Host key verification failed.\nFatal: unable to open repository"],
    "CertificateRefused": [
        'Head "https://h/config": x509: certificate signed by unknown authority\nFatal: unable to '
        "open config file"
    ],
    "RemoteMissing": [
        'rclone: 2026/11/25 00:51:14 Failed to create file system for "zz:p": didn\'t find '
        "section in config file"
    ],
    "RcloneMissing": ['Fatal: unable to open repository: exec: "rclone": executable file not found in $PATH'],
    Reason.REPOSITORY_MISSING: [
        "Fatal: unable to open config file: <config/> does not exist\nIs there a repository at "
        "the following location?",
        "Fatal: unable to open config file: Stat: The specified key does not exist.\nIs there a repository",
        "Fatal: unable to open config file: stat /repository/config: no such file or directory",
    ],
    "WrongPassword": ["Fatal: wrong password or no key found"],
    "SessionRefused": [
        "Fatal: unable to open repository at sftp:k@nas:/v: unable to start the sftp session, "
        "error: read |0: file already closed"
    ],
    "StorageFull": [
        "unable to save snapshot: write /repository/data/00/1-tmp-2: no space left on device",
        "fs.TempFile: open /tmp/restic-temp-pack-1: no space left on device\n"
        "write /repository/index/1: no space left on device",
    ],
    "ScratchUnusable": [
        "Fatal: unable to save snapshot: fs.TempFile: open /tmp/restic-temp-pack-1: no space left on device",
        "Fatal: open /tmp/restic-temp-pack-1: read-only file system",
        "Fatal: mkdir /kronkeep/cache/restic: permission denied",
    ],
    "RepositoryDamaged": ["error for tree 1234\nFatal: repository contains errors"],
}


@pytest.mark.parametrize(("reason", "text"), [(r, text) for r, texts in TEXTS.items() for text in texts])
def test_the_reason_of_a_message(reason: str, text: str) -> None:
    fault = faults.explain(1, text.encode())
    assert fault.reason == reason
    assert fault.message.endswith(".")
    assert fault.next_step.endswith(".")


def test_an_exact_exit_code_decides_before_the_text() -> None:
    assert faults.explain(12, b"wrong password; connection refused before")[0] == "WrongPassword"
    assert faults.explain(10, b"connection refused")[0] == Reason.REPOSITORY_MISSING

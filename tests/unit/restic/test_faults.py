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
        "Fatal: unable to open config file: blob.GetProperties: storage: service returned error: "
        "StatusCode=403, ErrorCode=403 Server failed to authenticate the request. Make sure the value of the "
        "Authorization header is formed correctly\nIs there a repository at the following location?",
        "Fatal: unable to open config file: googleapi: Error 403: keeper@example.invalid does not have "
        "storage.objects.get access to the object., forbidden\nIs there a repository",
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
        "section in config file\nFatal: unable to open repository: error talking HTTP to rclone: "
        "unexpected EOF"
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
        "error: read |0: file already closed",
        "Fatal: create repository at rclone:zz:p failed: error talking HTTP to rclone: context canceled",
        "Fatal: create repository at rclone:zz:p failed: error talking HTTP to rclone: "
        'Get "http://localhost/file-5577006791947779410": unexpected EOF',
        'rclone: 2026/11/25 00:51:14 Failed to create file system for "zz:p": no SSH keys\n'
        "Fatal: unable to open repository: error talking HTTP to rclone: unexpected EOF",
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
    "RepositoryDamaged": [
        "error for tree 1234\nFatal: repository contains errors",
        "Load(<data/12>) returned error, retrying after 1s: connection reset by peer\n"
        "pack 12: ciphertext verification failed\nFatal: repository contains errors",
        "Load(<index/16d8118afd>): open /repository/index/16d8: permission denied\n"
        "pack ab: id does not match: pack ID does not match, want ab, got cd",
    ],
    "PermissionDenied": [
        "Fatal: unable to open config file: stat /repository/config: permission denied\n/repository",
        "Load(<data/c151>, 248, 251) returned error, retrying after 2.3s: "
        "open /repository/data/c1/c151: permission denied\nFatal: repository contains errors",
        "error: unable to load index 16d8118a: open /repository/index/16d8: permission denied",
        "List(key) failed: open /repository/keys: permission denied\nFatal: open /repository/keys: "
        "permission denied",
    ],
}
# What keeps restic from checking a repository, and says nothing about what it holds.
NOT_CHECKED = {
    "ServerUnreachable": [
        'Load(<data/12>, 0, 0) failed: Get "https://s3/b/data/12": dial tcp 10.0.0.9:443: i/o timeout',
        'error: unable to load index 12: Get "https://s3/b/index/12": context deadline exceeded',
        "error loading pack 12: unexpected HTTP response (502): 502 Bad Gateway",
        'Load(<data/12>): Get "https://s3/b/data/12": net/http: TLS handshake timeout',
    ],
    "WrongPassword": ["Fatal: wrong password or no key found"],
    "CredentialsRefused": ["unable to load index 12: Stat: Access Denied."],
    "PermissionDenied": [
        'error: unable to load index 12: sftp: "Permission denied" (SSH_FX_PERMISSION_DENIED)'
    ],
    "ScratchUnusable": [
        "using temporary cache in /tmp/restic-check-cache-1\nunable to load index 12: "
        "write /tmp/restic-check-cache-1/ab/index/12: no space left on device",
    ],
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


@pytest.mark.parametrize(
    ("reason", "text"), [(r, text) for r, texts in NOT_CHECKED.items() for text in texts]
)
def test_what_could_not_be_checked_is_not_damaged(reason: str, text: str) -> None:
    log = f"create exclusive lock for repository\nload indexes\n{text}\nFatal: repository contains errors\n"
    assert faults.explain(1, log.encode(), "check").reason == reason


@pytest.mark.parametrize(
    ("line", "owner"),
    [
        (
            "unable to create lock in backend: open /repository/locks/679b-tmp-1: permission denied",
            "a file of the repository (open /repository/locks/679b-tmp-1: permission denied)",
        ),
        (
            '{"message_type":"exit_error","message":"Fatal: open /repository/Keys/a: permission denied"}',
            "a file of the repository (open /repository/Keys/a: permission denied)",
        ),
        ("open /kronkeep/keys/ca.crt: permission denied", "(open /kronkeep/keys/ca.crt: permission denied)"),
        ("2026-11-30T08:21:08.7Z open /etc/a: permission denied", "(open /etc/a: permission denied)"),
        ("write /repository/index/1: no space left on device", "(write /repository/index/1: no space left"),
        ("open /repository/locks/1: read-only file system", "(open /repository/locks/1: read-only file"),
    ],
)
def test_whose_file_it_is_stands_in_the_sentence(line: str, owner: str) -> None:
    message = faults.explain(1, f"restic 0.19.1\n{line}\n".encode()).message
    assert owner in message
    assert message.endswith(".")

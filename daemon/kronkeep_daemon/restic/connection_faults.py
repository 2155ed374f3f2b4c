"""Why a repository could not be reached, from the words of restic, ssh, rclone and the servers they speak to.

restic 0.14 ends almost everything with exit code 1, and puts a server's refusal behind "unable to open
config file"; so these words are looked for first. Most were recorded from restic 0.14.0 with OpenSSH 9.2,
rclone 1.60 and a server that speaks S3.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """A stable word, a sentence, what to do."""

    reason: str
    message: str
    next_step: str


_HOST_KEY = Fault(
    "HostKeyRefused",
    "The SFTP server's host key is not the one in known_hosts.",
    "Compare it with ssh-keyscan; correct known_hosts in the Secret only if the server's key was changed.",
)
_CREDENTIALS = Fault(
    "CredentialsRefused",
    "The storage's server refuses the credentials.",
    "Correct the keys in the storage's Secret, or their rights on the server.",
)
_CERTIFICATE = Fault(
    "CertificateRefused",
    "The certificate of the storage's server is not trusted.",
    "Put the certificate that signs it into the Secret as ca.crt, or correct the address.",
)
_BUCKET = Fault(
    "BucketMissing",
    "The bucket or container does not exist.",
    "Create it, or correct its name in the storage's settings.",
)
_UNREACHABLE = Fault(
    "ServerUnreachable",
    "The storage's server does not answer.",
    "Check its address, and that it runs and may be reached from the cluster's nodes.",
)
_FOLDER = Fault(
    "FolderRefused",
    "The folder of the repository could not be made or read on the server.",
    "Create it there and give the storage's user the right to write.",
)
_RCLONE = Fault(
    "RcloneMissing",
    "The archive's image has no rclone.",
    "Set archive.image to an image with restic and rclone.",
)
_REMOTE = Fault(
    "RemoteMissing",
    "rclone.conf has no such remote.",
    "Correct the remote's name, or rclone.conf in the storage's Secret.",
)
_SESSION = Fault(
    "SessionRefused",
    "The SFTP session could not be begun.",
    "Ask why: kronkeep storage test NAME.",
)
_KEY_FILE = Fault(
    "KeyUnusable",
    "ssh cannot use the private key of the storage's Secret.",
    "Put a private key without a passphrase into the Secret as ssh-privatekey.",
)

# The first word that the log contains (in lower case) decides.
_WORDS: tuple[tuple[str, Fault], ...] = (
    ("host key verification failed", _HOST_KEY),
    ("error in libcrypto", _KEY_FILE),
    ("invalid format", _KEY_FILE),
    ("permission denied (", _CREDENTIALS),
    ("401 unauthorized", _CREDENTIALS),
    ("403 forbidden", _CREDENTIALS),
    ("http response (401)", _CREDENTIALS),
    ("http response (403)", _CREDENTIALS),
    ("access denied", _CREDENTIALS),
    ("accessdenied", _CREDENTIALS),
    ("access key id", _CREDENTIALS),
    ("invalidaccesskeyid", _CREDENTIALS),
    ("request signature we calculated", _CREDENTIALS),
    ("authenticationfailed", _CREDENTIALS),
    ("b2_authorize_account: 401", _CREDENTIALS),
    ("invalid_grant", _CREDENTIALS),
    ("x509:", _CERTIFICATE),
    ("server gave http response to https client", _CERTIFICATE),
    ("specified bucket does not exist", _BUCKET),
    ("nosuchbucket", _BUCKET),
    ("containernotfound", _BUCKET),
    ("connection refused", _UNREACHABLE),
    ("no such host", _UNREACHABLE),
    ("could not resolve hostname", _UNREACHABLE),
    ("i/o timeout", _UNREACHABLE),
    ("connection timed out", _UNREACHABLE),
    ("operation timed out", _UNREACHABLE),
    ("no route to host", _UNREACHABLE),
    ("network is unreachable", _UNREACHABLE),
    ("connection reset by peer", _UNREACHABLE),
    ("stale file handle", _UNREACHABLE),
    ('exec: "rclone"', _RCLONE),
    ("didn't find section in config file", _REMOTE),
    ('sftp: "failure"', _FOLDER),
    ("mkdirall", _FOLDER),
    ("unable to start the sftp session", _SESSION),
)


def find(text: str) -> Fault | None:
    """The fault that the words of a log tell, or None."""
    lowered = text.lower()
    return next((fault for words, fault in _WORDS if words in lowered), None)

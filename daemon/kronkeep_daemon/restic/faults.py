"""Why a repository could not be reached, from the words of restic, ssh, rclone and the servers they speak to.

restic 0.14 ends almost everything with exit code 1, and puts a server's refusal behind "unable to open
config file"; so these words are looked for first. Most were recorded from restic 0.14.0 with OpenSSH 9.2,
rclone 1.60 and a server that speaks S3.
"""

from typing import NamedTuple

from kronkeep_common.reasons import Reason


class Fault(NamedTuple):
    """A stable word, a sentence, what to do."""

    reason: str
    message: str
    next_step: str

    @classmethod
    def of(cls, reason: Reason) -> "Fault":
        """The fault with the fixed sentences of its reason."""
        return cls(reason, reason.meaning, reason.next_step)


# The first word that the log contains (in lower case) decides.
_WORDS: tuple[tuple[str, Reason], ...] = (
    ("host key verification failed", Reason.HOST_KEY_REFUSED),
    ("error in libcrypto", Reason.KEY_UNUSABLE),
    ("invalid format", Reason.KEY_UNUSABLE),
    ("permission denied (", Reason.CREDENTIALS_REFUSED),
    ("401 unauthorized", Reason.CREDENTIALS_REFUSED),
    ("403 forbidden", Reason.CREDENTIALS_REFUSED),
    ("http response (401)", Reason.CREDENTIALS_REFUSED),
    ("http response (403)", Reason.CREDENTIALS_REFUSED),
    ("access denied", Reason.CREDENTIALS_REFUSED),
    ("accessdenied", Reason.CREDENTIALS_REFUSED),
    ("access key id", Reason.CREDENTIALS_REFUSED),
    ("invalidaccesskeyid", Reason.CREDENTIALS_REFUSED),
    ("request signature we calculated", Reason.CREDENTIALS_REFUSED),
    ("authenticationfailed", Reason.CREDENTIALS_REFUSED),
    ("b2_authorize_account: 401", Reason.CREDENTIALS_REFUSED),
    ("invalid_grant", Reason.CREDENTIALS_REFUSED),
    ("x509:", Reason.CERTIFICATE_REFUSED),
    ("server gave http response to https client", Reason.CERTIFICATE_REFUSED),
    ("specified bucket does not exist", Reason.BUCKET_MISSING),
    ("nosuchbucket", Reason.BUCKET_MISSING),
    ("containernotfound", Reason.BUCKET_MISSING),
    ("connection refused", Reason.SERVER_UNREACHABLE),
    ("no such host", Reason.SERVER_UNREACHABLE),
    ("could not resolve hostname", Reason.SERVER_UNREACHABLE),
    ("i/o timeout", Reason.SERVER_UNREACHABLE),
    ("connection timed out", Reason.SERVER_UNREACHABLE),
    ("operation timed out", Reason.SERVER_UNREACHABLE),
    ("no route to host", Reason.SERVER_UNREACHABLE),
    ("network is unreachable", Reason.SERVER_UNREACHABLE),
    ("connection reset by peer", Reason.SERVER_UNREACHABLE),
    ("stale file handle", Reason.SERVER_UNREACHABLE),
    ('exec: "rclone"', Reason.RCLONE_MISSING),
    ("didn't find section in config file", Reason.REMOTE_MISSING),
    ('sftp: "failure"', Reason.FOLDER_REFUSED),
    ("mkdirall", Reason.FOLDER_REFUSED),
    ("unable to start the sftp session", Reason.SESSION_REFUSED),
)


def find(text: str) -> Fault | None:
    """The fault that the words of a log tell, or None."""
    lowered = text.lower()
    return next((Fault.of(reason) for words, reason in _WORDS if words in lowered), None)

"""What servers, ssh, rclone and the network said to restic: a reason, a sentence that quotes it, a next step.

The texts were recorded from restic 0.14.0 and 0.19.1 with OpenSSH 9.2, rclone 1.60, servers that speak S3,
closed ports, names that nobody knows, and servers that are silent, hang up or speak no TLS.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from kronkeep_common import path_text
from kronkeep_common.reasons import Reason
from kronkeep_common.text import shorten_middle
from kronkeep_daemon.restic import output

LONGEST_QUOTE = 160  # characters


class ServerFault(NamedTuple):
    """A reason, a sentence about it that quotes what was said, and what to do."""

    reason: Reason
    message: str
    next_step: str


class ServerText(NamedTuple):
    """Words in lower case, as a regular expression, and what they mean; where empty, as the reason has it."""

    words: str
    reason: Reason
    meaning: str = ""
    next_step: str = ""


_ADDRESS = "Correct host and port (kronkeep storage set-address NAME), or start the server there."
_NAME = ServerText(
    words="no such host|name or service not known|could not resolve hostname",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The name of the storage's server is not known to the cluster's DNS.",
    next_step="Correct the name (kronkeep storage set-address NAME); what this machine resolves from its own "
    "/etc/hosts or VPN, pods may not.",
)
_DNS = ServerText(
    words=r"server misbehaving|temporary failure in name resolution"
    r"|lookup \S+( on \S+)?: (read|write|dial) .*(i/o timeout|connection refused)"
    r"|lookup \S+( on \S+)?: i/o timeout",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The cluster's DNS did not answer, so the storage's server could not be looked for.",
    next_step="Look at the cluster's DNS (kubectl -n kube-system get pods), and whether a NetworkPolicy "
    "keeps kronkeep's pods from asking it.",
)
_REFUSED = ServerText(
    words="connection refused",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The storage's server refuses the connection: nothing listens at that address and port.",
    next_step=_ADDRESS,
)
_NO_WAY = ServerText(
    words="no route to host|network is unreachable",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="There is no way from the cluster's nodes to the storage's server.",
    next_step="Correct the address (kronkeep storage set-address NAME), or the routes of the nodes; a proxy "
    "for archives is set in archive.env.",
)
_TIMED_OUT = ServerText(
    words="i/o timeout|connection timed out|operation timed out|context deadline exceeded|handshake timeout"
    "|timed out during banner exchange|request timeout|client.timeout exceeded",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The storage's server did not answer in time.",
    next_step="Check its address, and that no firewall or NetworkPolicy lies between it and the cluster's "
    "nodes.",
)
_HUNG_UP = ServerText(
    words="connection reset by|connection closed by|server closed idle connection|broken pipe"
    '|": eof|: unexpected eof',
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The storage's server closes the connection before it answers.",
    next_step="See that the port is the right one, http or https as the server speaks it, and read the "
    "server's log.",
)
_RCLONE_FAILED = ServerText(
    words="failed to create file system for",
    reason=Reason.SESSION_REFUSED,
    meaning="rclone could not open the remote.",
    next_step="Correct the remote in rclone.conf in the storage's Secret, then: kronkeep storage test NAME.",
)
# restic does not wait for the words of an rclone that has ended: one in twenty are lost on a busy machine.
_RCLONE_SILENT = ServerText(
    words="error talking http to rclone",
    reason=Reason.SESSION_REFUSED,
    meaning="rclone ended before it answered, and restic did not pass on why.",
)
_NO_TLS = ServerText(
    words="first record does not look like a tls handshake|server gave http response to https client",
    reason=Reason.TLS_REFUSED,
    meaning="The storage's server speaks no TLS at that address.",
)
_OTHER_TLS = ServerText(
    words="remote error: tls|tls: no supported versions|protocol version not supported"
    "|client sent an http request to an https server",
    reason=Reason.TLS_REFUSED,
)
_EXPIRED = ServerText(
    words="x509: certificate has expired",
    reason=Reason.CERTIFICATE_REFUSED,
    meaning="The certificate of the storage's server has expired, or a node's clock is wrong.",
    next_step="Renew the certificate on the server; compare the clocks (timedatectl).",
)
_OTHER_NAME = ServerText(
    words="x509: certificate is valid for|x509: cannot validate certificate for"
    "|x509: certificate is not valid for",
    reason=Reason.CERTIFICATE_REFUSED,
    meaning="The certificate of the storage's server is for another name than that of its address.",
    next_step="Write the name that the certificate has into the address (kronkeep storage set-address NAME), "
    "or give the server one for this name.",
)
_SSH_KEY = ServerText(
    words=r"permission denied \(",
    reason=Reason.CREDENTIALS_REFUSED,
    meaning="The SFTP server refuses the key of the storage's Secret for that user.",
    next_step="Put its public half into ~/.ssh/authorized_keys of the user there, or correct user and "
    "ssh-privatekey.",
)
_UNKNOWN_KEY = ServerText(
    words="access key id|invalidaccesskeyid|request signature we calculated|signaturedoesnotmatch"
    "|401 unauthorized|http response .401.|authenticationfailed|failed to authenticate the request"
    "|googleapi: error 401|b2_authorize_account: 401|invalid_grant",
    reason=Reason.CREDENTIALS_REFUSED,
    next_step="Correct the keys in the storage's Secret, then: kronkeep storage test NAME.",
)
_CLOCK = ServerText(
    words="requesttimetooskewed|difference between the request time",
    reason=Reason.CREDENTIALS_REFUSED,
    meaning="The storage's server refuses the request because its clock and the node's disagree.",
    next_step="Set the wrong clock right (timedatectl).",
)
_NO_RIGHTS = ServerText(
    words="access denied|accessdenied|403 forbidden|http response .403.|statuscode=403|googleapi: error 403",
    reason=Reason.CREDENTIALS_REFUSED,
)
_NO_BUCKET_NO_RIGHTS = ServerText(
    words="client.makebucket: access denied",
    reason=Reason.BUCKET_MISSING,
    meaning="The bucket does not exist, and the credentials may not create it.",
    next_step="Create it, or correct its name (kronkeep storage set-address NAME).",
)
_NO_BUCKET = ServerText(
    words="specified bucket does not exist|nosuchbucket|containernotfound"
    "|specified container does not exist|bucket not found",
    reason=Reason.BUCKET_MISSING,
)
_BUCKET_NAME = ServerText(
    words="bucket name (cannot|contains|must)|specified bucket is not valid|invalidbucketname"
    "|invalid bucket name|invalidresourcename|bucketexists: 400 bad request",
    reason=Reason.BUCKET_NAME_REFUSED,
)
_OTHER_REGION = ServerText(
    words="bucketexists: 301 moved permanently|permanentredirect|must be addressed using the specified"
    r"|authorizationheadermalformed|the region '\S+' is wrong",
    reason=Reason.BUCKET_ELSEWHERE,
)
_SERVER_ERROR = ServerText(
    words="http response .5|server response unexpected: 5|50[0234] (internal server error|bad gateway"
    "|service unavailable|gateway time-?out)",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The storage's server, or a proxy before it, answers with an error of its own.",
    next_step="Read the server's log; kronkeep storage test NAME tries again.",
)
_TOO_MUCH = ServerText(
    words="please reduce your request rate|429 too many requests",
    reason=Reason.SERVER_UNREACHABLE,
    meaning="The storage's server refuses more requests for now.",
    next_step="Let fewer archives run at once, or raise the limit on the server.",
)

# The first that the log contains decides. rclone comes before its connection to restic, which ends with it,
# DNS before timeouts and refusals, which it has too, and what the server said before what happened to the
# connection after that.
SERVER_TEXTS: tuple[ServerText, ...] = (
    ServerText(words='exec: "rclone"', reason=Reason.RCLONE_MISSING),
    ServerText(words="didn't find section in config file", reason=Reason.REMOTE_MISSING),
    ServerText(words="host key verification failed", reason=Reason.HOST_KEY_REFUSED),
    ServerText(words="error in libcrypto|invalid format", reason=Reason.KEY_UNUSABLE),
    _SSH_KEY,
    _NO_BUCKET_NO_RIGHTS,
    _CLOCK,
    _UNKNOWN_KEY,
    _OTHER_REGION,
    _NO_RIGHTS,
    _EXPIRED,
    _OTHER_NAME,
    ServerText(words="x509:", reason=Reason.CERTIFICATE_REFUSED),
    _NO_TLS,
    _OTHER_TLS,
    _NO_BUCKET,
    _BUCKET_NAME,
    _DNS,
    _NAME,
    _REFUSED,
    _NO_WAY,
    _TOO_MUCH,
    _SERVER_ERROR,
    _TIMED_OUT,
    _RCLONE_FAILED,
    _RCLONE_SILENT,
    _HUNG_UP,
    ServerText(words="stale file handle", reason=Reason.SERVER_UNREACHABLE),
    ServerText(words='sftp: "failure"|mkdirall', reason=Reason.FOLDER_REFUSED),
    ServerText(
        words="unable to start the sftp session",
        reason=Reason.SESSION_REFUSED,
        meaning="The SFTP session could not be begun.",
    ),
)
_PATTERNS = tuple((re.compile(text.words), text) for text in SERVER_TEXTS)
# Where the part of a line begins that says what happened, after what restic wanted to do and its own address.
_SAID_FROM = re.compile(
    r"(?:.*: )?(dial (?:tcp|udp)|(?:read|write) tcp|lookup \S+|ssh: (?:connect|could not)|remote error|tls: )"
)


def find_server_fault(log_lines: Sequence[str]) -> ServerFault | None:
    """Return what a server or the way to it did, from the lines of a log; None where they do not tell."""
    lines = [text for line in log_lines for text in _texts_of(line)]
    text = "\n".join(lines).lower()
    for pattern, row in _PATTERNS:
        match = pattern.search(text)
        if match is not None:
            line = next((line for line in lines if match[0] in line.lower()), "")
            return _fault_of(row, line, match[0])
    return None


def _texts_of(line: str) -> list[str]:
    """Return the line, or the lines of the text in it where it is a JSON object of restic."""
    for obj in output.parse_objects(line.encode("utf-8", "surrogateescape")):
        text = output.error_text(obj) or obj.get("message")
        if isinstance(text, str):
            return text.split("\n")
    return [line]


def _fault_of(row: ServerText, line: str, words: str) -> ServerFault:
    meaning = row.meaning or row.reason.meaning
    said = quote(line, words)
    return ServerFault(
        reason=row.reason,
        message=f"{meaning.removesuffix('.')} ({said})." if said else meaning,
        next_step=row.next_step or row.reason.next_step,
    )


def quote(line: str, words: str) -> str:
    """Return the part of a line that says what happened, with `words` (in lower case), in LONGEST_QUOTE."""
    lower = line.lower()
    match = _SAID_FROM.match(lower)
    clause_end = lower.rfind(": ", 0, max(0, lower.find(words)))
    begin = match.start(1) if match else (clause_end + 2 if clause_end >= 0 else 0)
    return shorten_middle(path_text.escape_message(line[begin:].strip().rstrip(".")), LONGEST_QUOTE)

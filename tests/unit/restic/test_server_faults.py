"""What restic 0.14.0 and 0.19.1 said of servers that cannot be used, word for word, and what is told."""

import json
from typing import NamedTuple

import pytest

from kronkeep_common.reasons import Reason
from kronkeep_daemon.restic import faults


class Recorded(NamedTuple):
    """A log, and its reason, a part of the sentence, what is quoted in it, and a part of the next step."""

    log: str
    reason: Reason
    meaning: str
    quoted: str
    next_step: str


INIT = "Fatal: create repository at"
HTTP = "http://127.0.0.1:1"
AGAIN = "Stat(<config/>) returned error, retrying after 1.659369111s:"
CLOSED = "error receiving version packet from server: read |0: file already closed"
UNREACHABLE = Reason.SERVER_UNREACHABLE
RECORDED = [
    # Refused.
    Recorded(
        f'{INIT} s3:{HTTP}/bucket failed: client.BucketExists: Head "{HTTP}/bucket/": dial tcp 127.0.0.1:1: '
        "connect: connection refused",
        UNREACHABLE,
        "refuses the connection",
        "(dial tcp 127.0.0.1:1: connect: connection refused)",
        "host and port",
    ),
    Recorded(
        f'{AGAIN} Head "http://:***@127.0.0.1:1/a/config": dial tcp 127.0.0.1:1: connect: '
        "connection refused\n"
        "signal terminated received, cleaning up\nFatal: unable to open config file: context canceled",
        UNREACHABLE,
        "refuses the connection",
        "(dial tcp 127.0.0.1:1: connect: connection refused)",
        "host and port",
    ),
    Recorded(
        "subprocess ssh: ssh: connect to host 127.0.0.1 port 1: Connection refused\n"
        "Fatal: unable to open repository at sftp:u@127.0.0.1:/x: unable to start the sftp session, "
        "error: EOF",
        UNREACHABLE,
        "refuses the connection",
        "(ssh: connect to host 127.0.0.1 port 1: Connection refused)",
        "host and port",
    ),
    # The name.
    Recorded(
        f'{INIT} s3:https://nowhere.invalid/bucket failed: client.BucketExists: Head "https://nowhere.invalid/'
        'bucket/": dial tcp: lookup nowhere.invalid on 10.255.255.53:53: no such host',
        UNREACHABLE,
        "not known to the cluster's DNS",
        "(lookup nowhere.invalid on 10.255.255.53:53: no such host)",
        "Correct the name",
    ),
    Recorded(
        "subprocess ssh: ssh: Could not resolve hostname nowhere.invalid: Name or service not known\n"
        f"Fatal: unable to open repository: unable to start the sftp session, error: {CLOSED}",
        UNREACHABLE,
        "not known to the cluster's DNS",
        "(ssh: Could not resolve hostname nowhere.invalid: Name or service not known)",
        "Correct the name",
    ),
    # The DNS itself.
    Recorded(
        f'{AGAIN} Head "https://s3.example.com/b/": dial tcp: lookup s3.example.com on 10.96.0.10:53: '
        "read udp 10.244.0.9:40921->10.96.0.10:53: i/o timeout",
        UNREACHABLE,
        "DNS did not answer",
        "(lookup s3.example.com on 10.96.0.10:53: read udp 10.244.0.9:40921->10.96.0.10:53: i/o timeout)",
        "kube-system",
    ),
    Recorded(
        "subprocess ssh: ssh: Could not resolve hostname nas: Temporary failure in name resolution",
        UNREACHABLE,
        "DNS did not answer",
        "Temporary failure in name resolution",
        "NetworkPolicy",
    ),
    # Time.
    Recorded(
        f'{INIT} rest:{HTTP}/a/ failed: Post "{HTTP}/a/?create=true": dial tcp 127.0.0.1:40805: i/o timeout',
        UNREACHABLE,
        "did not answer in time",
        "(dial tcp 127.0.0.1:40805: i/o timeout)",
        "firewall",
    ),
    Recorded(
        "subprocess ssh: ssh: connect to host 127.0.0.1 port 40805: Connection timed out",
        UNREACHABLE,
        "did not answer in time",
        "(ssh: connect to host 127.0.0.1 port 40805: Connection timed out)",
        "firewall",
    ),
    Recorded(
        f"subprocess ssh: Connection timed out during banner exchange\n{INIT} sftp:u@nas:/x failed: "
        "unable to start the sftp session, error: read |0: file already closed",
        UNREACHABLE,
        "did not answer in time",
        "Connection timed out",
        "firewall",
    ),
    # It hangs up.
    Recorded(
        f'{INIT} rest:{HTTP}/a/ failed: Post "{HTTP}/a/?create=true": EOF',
        UNREACHABLE,
        "closes the connection",
        f'(Post "{HTTP}/a/?create=true": EOF)',
        "port is the right one",
    ),
    Recorded(
        f'{INIT} s3:{HTTP}/bucket failed: client.BucketExists: Head "{HTTP}/bucket/": http: server '
        "closed idle connection",
        UNREACHABLE,
        "closes the connection",
        "(server closed idle connection)",
        "port is the right one",
    ),
    Recorded(
        f'{INIT} s3:{HTTP}/bucket failed: client.BucketExists: Head "{HTTP}/bucket/": Connection closed by '
        f"foreign host {HTTP}/bucket/. Retry again.",
        UNREACHABLE,
        "closes the connection",
        "Connection closed by foreign host",
        "port is the right one",
    ),
    Recorded(
        "subprocess ssh: kex_exchange_identification: Connection closed by remote host\n"
        "subprocess ssh: Connection closed by 127.0.0.1 port 33019\n"
        f"{INIT} sftp:u@127.0.0.1:/x failed: unable to start the sftp session, error: {CLOSED}",
        UNREACHABLE,
        "closes the connection",
        "(Connection closed by remote host)",
        "server's log",
    ),
    # It is ill.
    Recorded(
        f"{INIT} s3:{HTTP}/bucket failed: client.BucketExists: 502 Bad Gateway",
        UNREACHABLE,
        "an error of its own",
        "(502 Bad Gateway)",
        "server's log",
    ),
    Recorded(
        f"{INIT} rest:{HTTP}/a/ failed: Fatal: server response unexpected: 503 Service Unavailable (503)",
        UNREACHABLE,
        "an error of its own",
        "503 Service Unavailable",
        "server's log",
    ),
    # TLS.
    Recorded(
        f'{INIT} rest:https://h/a/ failed: Post "https://h/a/": tls: first record does not look like a TLS '
        "handshake",
        Reason.TLS_REFUSED,
        "speaks no TLS",
        "(tls: first record does not look like a TLS handshake)",
        "http://",
    ),
    Recorded(
        f'{INIT} s3:https://h/b failed: client.BucketExists: Head "https://h/b/": x509: cannot validate '
        "certificate for 127.0.0.1 because it doesn't contain any IP SANs",
        Reason.CERTIFICATE_REFUSED,
        "for another name",
        "(x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs)",
        "the name that the certificate has",
    ),
    Recorded(
        f'{INIT} rest:https://h/ failed: Post "https://h/": tls: failed to verify certificate: x509: '
        "certificate has expired or is not yet valid: it is 2026-11-30T14:00:00Z",
        Reason.CERTIFICATE_REFUSED,
        "has expired",
        "certificate has expired",
        "Renew",
    ),
    Recorded(
        f'{INIT} rest:https://h/ failed: Post "https://h/": x509: certificate signed by unknown authority',
        Reason.CERTIFICATE_REFUSED,
        "is not trusted",
        "(x509: certificate signed by unknown authority)",
        "ca.crt",
    ),
    # Rights.
    Recorded(
        f"{INIT} s3:{HTTP}/bucket failed: client.BucketExists: Access Denied.",
        Reason.CREDENTIALS_REFUSED,
        "refuses the credentials",
        "(Access Denied)",
        "their rights",
    ),
    Recorded(
        "subprocess ssh: k@nas: Permission denied (publickey).\n"
        "Fatal: unable to open repository at sftp:k@nas:/v",
        Reason.CREDENTIALS_REFUSED,
        "refuses the key",
        "(Permission denied (publickey))",
        "authorized_keys",
    ),
    Recorded(
        "Fatal: unable to open config file: Stat: The request signature we calculated does not match the "
        "signature you provided. Check your key and signing method.",
        Reason.CREDENTIALS_REFUSED,
        "refuses the credentials",
        "The request signature we calculated",
        "Correct the keys",
    ),
    # Buckets.
    Recorded(
        f"{INIT} s3:{HTTP}/bucket failed: client.MakeBucket: The specified bucket does not exist",
        Reason.BUCKET_MISSING,
        "does not exist",
        "(The specified bucket does not exist)",
        "Create it",
    ),
    Recorded(
        f"{INIT} s3:{HTTP}/bucket failed: client.MakeBucket: Access Denied.",
        Reason.BUCKET_MISSING,
        "may not create it",
        "(client.MakeBucket: Access Denied)",
        "Create it",
    ),
    Recorded(
        "Fatal: unable to open config file: client.GetObject: Bucket name cannot be shorter than 3 "
        "characters\nIs there a repository at the following location?",
        Reason.BUCKET_NAME_REFUSED,
        "no bucket or container of that name",
        "(Bucket name cannot be shorter than 3 characters)",
        "3 to 63",
    ),
    Recorded(
        f"{INIT} s3:{HTTP}/bucket failed: client.BucketExists: 400 Bad Request",
        Reason.BUCKET_NAME_REFUSED,
        "no bucket or container of that name",
        "(client.BucketExists: 400 Bad Request)",
        "region",
    ),
    Recorded(
        f"{INIT} s3:{HTTP}/bucket failed: client.BucketExists: 301 Moved Permanently",
        Reason.BUCKET_ELSEWHERE,
        "another region",
        "(client.BucketExists: 301 Moved Permanently)",
        "region or endpoint",
    ),
]


@pytest.mark.parametrize("recorded", RECORDED, ids=[f"{each.quoted[:50]}" for each in RECORDED])
@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_reported_of_a_server(recorded: Recorded, form: str) -> None:
    log = recorded.log
    if form == "json":  # as restic 0.17 and later end with `--json`
        messages = ({"message_type": "exit_error", "message": line} for line in log.split("\n"))
        log = "\n".join(map(json.dumps, messages))
    fault = faults.explain(1, log.encode(), "init")
    assert fault.reason == recorded.reason
    assert recorded.meaning in fault.message
    assert recorded.quoted in fault.message
    assert recorded.next_step in fault.next_step
    assert fault.message.endswith(").")
    assert len(fault.message) < 300


def test_a_long_or_hostile_answer_is_quoted_in_part_and_harmless() -> None:
    log = f"dial tcp {'x' * 5000}\x1b[2J: connect: connection refused"
    message = faults.explain(1, log.encode()).message
    assert len(message) < 300
    assert "\x1b" not in message


def test_a_server_that_was_reached_after_all_is_not_blamed_for_what_restic_found() -> None:
    log = 'Load(<data/12>) returned error, retrying after 1s: Get "http://h/": EOF\npack 12: hash mismatch'
    assert faults.explain(1, log.encode()).reason == Reason.REPOSITORY_DAMAGED

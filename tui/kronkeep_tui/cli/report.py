"""`kronkeep report`: evidence that backups can be restored, signed, its verification; the morning report."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kronkeep_common.errors import InvalidRequest, ToolMissing, VerificationFailed
from kronkeep_common.text import clean
from kronkeep_tui.cli.verb import Verbs, add_verb, with_blocking_client

if TYPE_CHECKING:
    from kronkeep_common.client import Client
    from kronkeep_common.models.morning_report import MorningReportView

NAMESPACE = "kronkeep-report"  # of signatures (ssh-keygen -n): one for another purpose is none for a report
FORMAT_NAMES = ("html", "json", "csv", "junit", "text")


def add_parser(verbs: Verbs) -> None:
    """Add the verb `report`."""
    report = add_verb(verbs, "report", routes=["GET /v1/report", "GET /v1/report/morning"])
    report.add_argument(
        "words", nargs="*", metavar="verify FILE", help="check the signature of a report; needs no daemon"
    )
    report.add_argument("--from", dest="from_at", metavar="DATE", help="such as 2026-01-01; 30 days ago")
    report.add_argument("--to", dest="to_at", metavar="DATE", help="before this day or time; now")
    report.add_argument("--format", choices=FORMAT_NAMES, help="html; of --morning text or json")
    report.add_argument(
        "--morning", action="store_true", help="show the morning report as it would be sent now"
    )
    report.add_argument("--output", type=Path, metavar="FILE", help="standard output without it")
    report.add_argument("--sign-key", type=Path, metavar="KEY", help="an SSH key: FILE.sig is its signature")
    report.add_argument(
        "--allowed-signers", type=Path, metavar="FILE", help="verify: who may sign (man ssh-keygen)"
    )
    report.add_argument("--signer", metavar="NAME", help="verify: who must have signed, as in that file")
    report.set_defaults(func=_report)


def _report(options: argparse.Namespace) -> int:
    if options.morning and not options.words:
        return with_blocking_client(_show_morning)(options)
    if not options.words:
        return with_blocking_client(_make)(options)
    if len(options.words) != 2 or options.words[0] != "verify":
        raise InvalidRequest(
            f"A report cannot be {clean(repr(' '.join(options.words)), 80)}.",
            next_step="kronkeep report makes one, --morning shows the morning's, and report verify FILE "
            "checks the signature of one.",
        )
    return _verify(Path(options.words[1]), options)


async def _make(client: "Client", options: argparse.Namespace) -> int:
    from kronkeep_tui.cli.report_formats import FORMATS

    if options.sign_key and not options.output:
        raise InvalidRequest("A signature needs a file to lie beside.", next_step="Add --output FILE.")
    if options.output is None and options.format in (None, "html") and sys.stdout.isatty():
        raise InvalidRequest(
            "A page of HTML is for a browser.",
            next_step="Add --output report.html, or --format csv; --morning is text.",
        )
    if options.format == "text":
        raise InvalidRequest("The format text is of --morning.", next_step="Choose html, json, csv or junit.")
    report = await client.report(_read_moment(options.from_at), _read_moment(options.to_at))
    content = FORMATS[options.format or "html"](report)
    if options.output is None:
        sys.stdout.buffer.write(content)
        return 0
    _write(options.output, content)
    if options.sign_key:
        _sign(options.output, options.sign_key)
    return 0


async def _show_morning(client: "Client", options: argparse.Namespace) -> int:
    if options.sign_key or options.format not in (None, "text", "json"):
        raise InvalidRequest(
            "The morning report is text or JSON, and is not signed.",
            next_step="kronkeep report --morning --format text",
        )
    view = await client.morning_report(_read_moment(options.from_at), _read_moment(options.to_at))
    if options.format == "json":
        content = msgspec.json.format(msgspec.json.encode(view), indent=2) + b"\n"
    else:
        content = f"{_as_text(view)}\n".encode(errors="replace")
    if options.output is None:
        sys.stdout.buffer.write(content)
    else:
        _write(options.output, content)
    return 0


def _as_text(view: "MorningReportView") -> str:
    """Return the report as channels get it, and who gets it when."""
    lines = [view.title, "", view.text, ""]
    if view.next_at is None:
        lines.append("It is sent to nobody: [alerts.report] in the settings names channels.")
    else:
        names = ", ".join(view.channels)
        last = f", last for {view.last_at:%Y-%m-%d %H:%M} UTC" if view.last_at else ""
        lines.append(f"It is sent to {names} at {view.next_at:%Y-%m-%d %H:%M} UTC{last}.")
    return "\n".join(clean(line, 1000) for text in lines for line in text.split("\n"))


def _read_moment(text: str | None) -> datetime | None:
    """Return a day or a time, in UTC where it names no zone; raise InvalidRequest."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise InvalidRequest(
            f"{clean(repr(text), 80)} is no day.", next_step="Write 2026-01-01 or 2026-01-01T12:00Z."
        ) from fault
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as fault:
        raise InvalidRequest(f"{clean(str(file), 300)} cannot be written: {fault.strerror}.") from fault


def _sign(file: Path, key: Path) -> None:
    signature = Path(f"{file}.sig")
    signature.unlink(missing_ok=True)  # ssh-keygen would ask whether to replace it
    done = _run_ssh_keygen(["-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)])
    if done.returncode:
        raise InvalidRequest(
            f"The report was not signed: {_last_line(done)}", next_step="Check the key of --sign-key."
        )
    print(f"{clean(str(file), 300)} is signed: {clean(str(signature), 300)}")


def _verify(file: Path, options: argparse.Namespace) -> int:
    """Check a signature; without --allowed-signers only that the file is as it was signed by some key."""
    if bool(options.allowed_signers) != bool(options.signer):
        raise InvalidRequest("--allowed-signers and --signer belong together.")
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise InvalidRequest(f"{clean(str(file), 300)} cannot be read: {fault.strerror}.") from fault
    signature = ("-n", NAMESPACE, "-s", f"{file}.sig")
    if options.signer:
        who = ("-f", str(options.allowed_signers), "-I", options.signer)
        done = _run_ssh_keygen(["-Y", "verify", *who, *signature], content)
    else:
        done = _run_ssh_keygen(["-Y", "check-novalidate", *signature], content)
    if done.returncode:
        raise VerificationFailed(
            f"{clean(str(file), 300)} is not what was signed: {_last_line(done)}",
            next_step="Get the report and its .sig again from whoever made them.",
        )
    print(_last_line(done))
    if not options.signer:
        print("Who signed is not checked: name --allowed-signers and --signer for that.")
    return 0


def _run_ssh_keygen(argv: Sequence[str], content: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["ssh-keygen", *argv], input=content, capture_output=True, check=False)
    except FileNotFoundError as fault:
        raise ToolMissing(
            "There is no ssh-keygen.", next_step="Install it: apt-get install openssh-client."
        ) from fault


def _last_line(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    return clean(lines[-1], 300) if lines else f"ssh-keygen ended with {done.returncode}"

"""Rules of Kubernetes for names and image references."""

import re

from kronkeep_common.errors import InvalidImage, InvalidName
from kronkeep_common.text import clean

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
LONGEST_LABEL = 63
LONGEST_SUBDOMAIN = 253
LONGEST_NAME = 52  # characters; the names of a CronJob's Jobs add 11


def check_name(name: str, noun: str = "CronJob") -> None:
    """Raise InvalidName for a name that Kubernetes would refuse for a CronJob, or for what kronkeep names."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidName(f"The name {clean(repr(name), 80)} is not a {noun}'s name.", field="name")


def check_claim_name(name: str) -> None:
    """Raise InvalidName for a name that Kubernetes would refuse for a claim (RFC 1123, a subdomain)."""
    if len(name) > LONGEST_SUBDOMAIN or not all(map(_NAME.fullmatch, name.split("."))):
        raise InvalidName(
            f"The name {clean(repr(name), 80)} is not a claim's name.",
            next_step=f"Use a-z, 0-9, '-' and '.', at most {LONGEST_SUBDOMAIN} characters, beginning and "
            "ending with one of a-z or 0-9.",
            field="target.claim",
        )


def is_namespace(name: str) -> bool:
    """Whether Kubernetes allows the name for a namespace (RFC 1123, a label)."""
    return len(name) <= LONGEST_LABEL and _NAME.fullmatch(name) is not None


def check_image(image: str) -> None:
    """Raise InvalidImage for a text that is not an image reference."""
    if len(image) > 500 or not _IMAGE.fullmatch(image):
        raise InvalidImage(f"The image {clean(repr(image), 120)} is not an image reference.", field="image")

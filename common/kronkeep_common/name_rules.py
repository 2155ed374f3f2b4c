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
LONGEST_NAME = 52  # characters; the names of a CronJob's Jobs add 11


def check_name(name: str, noun: str = "CronJob") -> None:
    """Raise InvalidName for a name that Kubernetes would refuse for a CronJob, or for what kronkeep names."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise InvalidName(f"The name {clean(repr(name), 80)} is not a {noun}'s name.", field="name")


def is_namespace(name: str) -> bool:
    """Whether Kubernetes allows the name for a namespace (RFC 1123, a label)."""
    return len(name) <= LONGEST_LABEL and _NAME.fullmatch(name) is not None


def check_image(image: str) -> None:
    """Raise InvalidImage for a text that is not an image reference."""
    if len(image) > 500 or not _IMAGE.fullmatch(image):
        raise InvalidImage(f"The image {clean(repr(image), 120)} is not an image reference.", field="image")

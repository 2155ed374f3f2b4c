"""Where a storage's passwords are, in words that the form, its message and the command line share."""

from collections.abc import Sequence


def password_words(secrets: Sequence[str]) -> str:
    """Return what to keep elsewhere.

    secrets: the Secrets that have the passwords; more than the storage's own where others are below it.
    """
    is_one = len(secrets) == 1
    names = f"the Secret {secrets[0]}" if is_one else f"the Secrets {' and '.join(secrets)}"
    what = "a copy of it" if is_one else "copies of both"
    return (
        f"Passwords are in {names}: keep {what} elsewhere, or the recovery kit; nothing is restored without."
    )

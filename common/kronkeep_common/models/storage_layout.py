"""How a storage divides what it holds into repositories."""

from typing import Literal

Layout = Literal["namespace", "policy", "shared"]
"""Whose archives share a repository: those of a namespace, of a policy, or all of the storage."""
LAYOUTS: tuple[Layout, ...] = ("namespace", "policy", "shared")


def password_secret_of_folders(storage_id: str) -> str:
    """Return the name of the Secret with the passwords of a storage's repositories, by their folders."""
    return f"kronkeep-storage-{storage_id}-folders"

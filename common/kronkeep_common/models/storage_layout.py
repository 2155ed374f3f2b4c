"""How a storage divides what it holds into repositories."""

from typing import Literal

Layout = Literal["namespace", "policy", "shared"]
"""Whose archives share a repository: those of a namespace, of a policy, or all of the storage."""
LAYOUTS: tuple[Layout, ...] = ("namespace", "policy", "shared")

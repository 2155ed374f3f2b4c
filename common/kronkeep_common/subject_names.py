"""Names of what backups are of: a CronJob by its name, a claim with a policy of its own as `pvc/NAME`.

No object of Kubernetes has a slash in its name, so no CronJob has the name of a claim (as kubectl writes it).
"""

CLAIM_PREFIX = "pvc/"


def name_of_claim(claim: str) -> str:
    """Return the name by which records, requests and tags of snapshots mean a claim."""
    return f"{CLAIM_PREFIX}{claim}"


def claim_of(name: str) -> str | None:
    """Return the claim that a name means; None where it is that of a CronJob."""
    return name.removeprefix(CLAIM_PREFIX) if name.startswith(CLAIM_PREFIX) else None


def as_object_name(name: str) -> str:
    """Return a name as it can be part of the name of an object of Kubernetes."""
    return name.replace("/", "-")

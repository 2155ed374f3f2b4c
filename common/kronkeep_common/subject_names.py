"""Names of what runs and backups are of: a CronJob by its name, a claim with a policy of its own as
`pvc/NAME`, a Job that nothing else owns as `job/NAME`.

No object of Kubernetes has a slash in its name, so no CronJob has one of the other names
(as kubectl writes them).
"""

CLAIM_PREFIX = "pvc/"
JOB_PREFIX = "job/"
BARE_ID_PREFIX = "job-"  # begins what stands for the uid of the CronJob of a Job without one


def name_of_claim(claim: str) -> str:
    """Return the name by which records, requests and tags of snapshots mean a claim."""
    return f"{CLAIM_PREFIX}{claim}"


def claim_of(name: str) -> str | None:
    """Return the claim that a name means; None where it is that of a CronJob."""
    return name.removeprefix(CLAIM_PREFIX) if name.startswith(CLAIM_PREFIX) else None


def name_of_job(job: str) -> str:
    """Return the name by which the runs of a Job without a CronJob mean it."""
    return f"{JOB_PREFIX}{job}"


def job_of(name: str) -> str | None:
    """Return the Job that a name means; None where it is that of a CronJob or a claim."""
    return name.removeprefix(JOB_PREFIX) if name.startswith(JOB_PREFIX) else None


def as_object_name(name: str) -> str:
    """Return a name as it can be part of the name of an object of Kubernetes."""
    return name.replace("/", "-")

"""The policy of a claim in the CronJob's form: which fields it has, and how it is read."""

from typing import TYPE_CHECKING

from kronkeep_common.client.cronjobs import TaggedSpec
from kronkeep_common.errors import InvalidPolicy, KronkeepError, PolicyNotFound
from kronkeep_common.models import BackupPolicySpec, CronJobCreate, VolumeMount
from kronkeep_common.subject_names import claim_of
from kronkeep_common.text import clean
from kronkeep_tui.form.fields import SECTIONS

if TYPE_CHECKING:
    from kronkeep_common.client import Client

FIRST_FIELD = "policy.schedule"
_OF_RUNS = ("policy.when", "policy.delay_seconds", "policy.on_conflict", "policy.expected_duration_seconds")
_OF_CRONJOBS = ("CronJob", "Running")  # sections
HIDDEN = frozenset(
    (
        *_OF_RUNS,
        *(field.path for section in SECTIONS if section.title in _OF_CRONJOBS for field in section.fields),
    )
)
"""The paths of fields that a claim does not have: it has no runs."""
LOCKED = frozenset(("policy.source.claims",))
_STAND_IN = "claim"  # for name and image of a CronJob, which are neither shown nor sent


def spec_of(namespace: str, claim: str, policy: BackupPolicySpec) -> CronJobCreate:
    """Return a CronJob that mounts the claim and has its policy, which the form can show."""
    return CronJobCreate(
        namespace=namespace,
        name=_STAND_IN,
        image=_STAND_IN,
        schedule=policy.schedule or "@daily",
        volumes=(VolumeMount(claim=claim, mount_path=f"/{_STAND_IN}"),),
        policy=policy,
    )


async def read_claim_policy(client: "Client", namespace: str, name: str) -> TaggedSpec:
    """Read the policy of a claim by its name `pvc/CLAIM`; raise PolicyNotFound and what the daemon says."""
    carrier = await client.cronjobs.get(namespace, name)
    claim = claim_of(name)
    if carrier.policy is None or claim is None:
        fault = f" {carrier.policy_fault}" if carrier.policy_fault else ""
        raise PolicyNotFound(
            f"{clean(namespace, 63)}/{clean(name, 260)} has no policy that can be read.{fault}",
            next_step="E in Jobs edits its YAML.",
        )
    return TaggedSpec(spec_of(namespace, claim, carrier.policy.spec), "")


def find_errors(spec: CronJobCreate | None, storage_id: str) -> dict[str, KronkeepError]:
    """Return what is wrong with the policy of a claim by the key of the field; of claims only."""
    if not storage_id:
        words = "A claim is shown with its policy, which needs a storage."
        return {"policy.storage_id": InvalidPolicy(words, next_step="kronkeep apply -f changes claims.")}
    if spec is not None and spec.policy is not None and spec.policy.schedule is None:
        words = "A claim has no runs that its backups could follow: its policy needs a schedule."
        return {FIRST_FIELD: InvalidPolicy(words, next_step="Such as 0 3 * * *.")}
    return {}

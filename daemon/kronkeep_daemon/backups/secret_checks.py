"""Whether the Secrets that a policy names exist and have the keys, so far as kronkeepd may look."""

from kronkeep_common.errors import KronkeepError
from kronkeep_common.models import BackupPolicySpec, SecretKeyRef
from kronkeep_common.secret_commands import creation_of_secret
from kronkeep_common.text import clean
from kronkeep_daemon.kube import paths
from kronkeep_daemon.kube.client import Cluster
from kronkeep_daemon.kube.errors import NotFoundInCluster

MOST_WARNINGS = 20


def list_secrets(policy: BackupPolicySpec) -> list[SecretKeyRef]:
    """Return each key of a Secret that a policy names, once: its own key, those of its dump and its hooks."""
    hooks = (*policy.hooks.pre, *policy.hooks.validate, *policy.hooks.post)
    environments = [hook.env for hook in hooks]
    if policy.include.database is not None:
        environments.insert(0, policy.include.database.env)
    refs = [ref for env in environments for ref in env.values()]
    if policy.encryption.enabled and policy.encryption.key is not None:
        refs.insert(0, policy.encryption.key)
    return list(dict.fromkeys(refs))


async def find_warnings(cluster: Cluster, namespace: str, policy: BackupPolicySpec) -> tuple[str, ...]:
    """Return which Secrets or keys of a policy are missing and how to make them, MOST_WARNINGS at most.

    Those that cannot be looked at are left out: kronkeepd may not read Secrets in every namespace.
    """
    keys_of: dict[str, frozenset[str] | None] = {}
    warnings = []
    for ref in list_secrets(policy):
        if len(keys_of) == MOST_WARNINGS and ref.secret not in keys_of:
            break
        try:
            if ref.secret not in keys_of:
                keys_of[ref.secret] = await _read_keys(cluster, namespace, ref.secret)
        except KronkeepError:
            break
        keys = keys_of[ref.secret]
        name = clean(f"{namespace}/{ref.secret}", 300)
        if keys is None:
            creation = creation_of_secret(namespace, ref.secret, (ref.key,))
            warnings.append(f"There is no Secret {name}, which the policy needs: {creation}")
        elif ref.key not in keys:
            warnings.append(f"The Secret {name} has no key {clean(ref.key, 100)}, which the policy needs.")
    return tuple(warnings[:MOST_WARNINGS])


async def _read_keys(cluster: Cluster, namespace: str, name: str) -> frozenset[str] | None:
    """Return the keys of a Secret that have a value; None where there is no such Secret."""
    try:
        secret = await cluster.get(paths.secrets(namespace, name))
    except NotFoundInCluster:
        return None
    return frozenset(key for key, value in (secret.get("data") or {}).items() if value)

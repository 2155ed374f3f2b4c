"""Authentication of callers, and authorization by RBAC on the roles and bindings in the object store.

The token in the kubeconfig belongs to `admin` of the group system:masters, who may do everything and may act
for another user (`kubectl --as`). Service accounts have the tokens that TokenRequest signs for them. A token
may also be the first part of the path, because client-go sends no credentials over plain HTTP.

Not implemented: aggregated ClusterRoles, non-resource URLs, impersonation of groups.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.apiserver.object_store import ObjectStore
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, Resource
from kronkeep_daemon.embedded.apiserver.status_responses import access_denied
from kronkeep_daemon.kube.objects import JsonObject

MASTERS = "system:masters"
_RBAC = {
    kind: BY_PATH["rbac.authorization.k8s.io", "v1", kind]
    for kind in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
}


class UserInfo(NamedTuple):
    """A caller, as Kubernetes names users and groups."""

    name: str
    groups: frozenset[str]


class AccessRequest(NamedTuple):
    """A verb on a resource (`pods`, `pods/log`); `namespace` None means the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str | None
    name: str


def service_account_user(namespace: str, name: str) -> UserInfo:
    """Return a service account as a user."""
    groups = {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    return UserInfo(f"system:serviceaccount:{namespace}:{name}", frozenset(groups))


class AccessControl:
    """Users by their tokens, and decisions by the RBAC rules bound to them.

    `secret` is the admin's token and the key that signs those of service accounts.
    """

    def __init__(self, store: ObjectStore, secret: str, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def create_token(self, namespace: str, name: str, until: datetime) -> str:
        """Return a token of a service account that is valid until then."""
        claims = msgspec.json.encode([namespace, name, until.timestamp()])
        body = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        return f"{body}.{self._sign(body)}"

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret.encode(), body.encode(), hashlib.sha256).hexdigest()

    def authenticate(self, token: str, headers: Mapping[str, str]) -> UserInfo | None:
        """Return the token's user, or the user whom the admin acts for; None for no valid token."""
        if hmac.compare_digest(token.encode(), self._secret.encode()):
            impersonated = headers.get("Impersonate-User")
            if impersonated is None:
                return UserInfo("admin", frozenset({MASTERS}))
            return _find_impersonated_user(impersonated)
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        namespace, name, until = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if self._clock.now().timestamp() >= until:
            return None
        return service_account_user(namespace, name)

    def require(self, user: UserInfo, request: AccessRequest, resource: Resource) -> None:
        """Raise the 403 Refusal of a real API server unless the user may do this."""
        if self.is_allowed(user, request):
            return
        scope = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
        action = f'cannot {request.verb} resource "{request.resource}" in API group "{request.group}" {scope}'
        raise access_denied(resource, request.name, f'User "{user.name}" {action}')

    def is_allowed(self, user: UserInfo, request: AccessRequest) -> bool:
        """Whether a rule bound to the user allows the request."""
        if MASTERS in user.groups:
            return True
        return any(_allows(rule, request) for rule in self.rules_for(user, request.namespace))

    def rules_for(self, user: UserInfo, namespace: str | None) -> Iterator[JsonObject]:
        """Yield the rules that hold for the user in a namespace (None: in the whole cluster)."""
        if MASTERS in user.groups:
            yield {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        bindings = list(self._store.all(_RBAC["clusterrolebindings"], None))
        if namespace:
            bindings += self._store.all(_RBAC["rolebindings"], namespace)
        for binding in bindings:
            if any(_is_subject(user, subject) for subject in binding.get("subjects") or []):
                yield from self._rules_of_role(binding)

    def _rules_of_role(self, binding: JsonObject) -> Iterable[JsonObject]:
        reference = binding.get("roleRef") or {}
        is_cluster_role = reference.get("kind") == "ClusterRole"
        namespace = "" if is_cluster_role else binding["metadata"].get("namespace", "")
        resource = _RBAC["clusterroles" if is_cluster_role else "roles"]
        role = self._store.get(resource, namespace, reference.get("name", ""))
        return (role or {}).get("rules") or []


def _find_impersonated_user(name: str) -> UserInfo:
    parts = name.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        return service_account_user(parts[2], parts[3])
    return UserInfo(name, frozenset({"system:authenticated"}))


def _is_subject(user: UserInfo, subject: JsonObject) -> bool:
    if subject.get("kind") == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace')}:{subject.get('name')}"
    return subject.get("name") in (user.groups if subject.get("kind") == "Group" else {user.name})


def _allows(rule: JsonObject, request: AccessRequest) -> bool:
    names = rule.get("resourceNames") or []
    return (
        _includes(rule.get("verbs"), request.verb)
        and _includes(rule.get("apiGroups"), request.group)
        and _includes(rule.get("resources"), request.resource)
        and (not names or request.name in names)
    )


def _includes(entries: list[str] | None, value: str) -> bool:
    return bool({"*", value} & set(entries or ()))

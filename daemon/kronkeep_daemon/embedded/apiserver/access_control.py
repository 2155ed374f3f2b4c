"""Who asks, and what they may do: RBAC as Kubernetes has it, on the roles and bindings of the store.

The token in the kubeconfig is `admin`'s, of the group system:masters, who may do everything and may act for
somebody else (`kubectl --as`). Service accounts have the tokens that TokenRequest signs for them. Any token
may also be the first part of the path, because client-go sends no credentials over plain HTTP.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.apiserver.object_store import Store
from kronkeep_daemon.embedded.apiserver.resources import BY_PATH, Resource
from kronkeep_daemon.embedded.apiserver.status_responses import forbidden
from kronkeep_daemon.kube.objects import JsonObject

MASTERS = "system:masters"
_RBAC = {
    kind: BY_PATH["rbac.authorization.k8s.io", "v1", kind]
    for kind in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
}


class User(NamedTuple):
    """Who asks, as Kubernetes names them."""

    name: str
    groups: frozenset[str]


class Wish(NamedTuple):
    """What is asked for: a verb on a resource; `namespace` None is the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str | None
    name: str


def account(namespace: str, name: str) -> User:
    """A service account as a user."""
    groups = {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    return User(f"system:serviceaccount:{namespace}:{name}", frozenset(groups))


class Access:
    """Tells users by their tokens and decides by the rules bound to them."""

    def __init__(self, store: Store, secret: str, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def token(self, namespace: str, name: str, until: datetime) -> str:
        """A service account's token that is good until then."""
        claims = msgspec.json.encode([namespace, name, until.timestamp()])
        body = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        return f"{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        return hmac.new(self._secret.encode(), body.encode(), hashlib.sha256).hexdigest()

    def user(self, token: str, headers: Mapping[str, str]) -> User | None:
        """Who holds the token, or whom they act for; None for no valid token."""
        if hmac.compare_digest(token.encode(), self._secret.encode()):
            other = headers.get("Impersonate-User")
            return User("admin", frozenset({MASTERS})) if other is None else _named(other)
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return None
        namespace, name, until = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return account(namespace, name) if self._clock.now().timestamp() < until else None

    def check(self, user: User, wish: Wish, resource: Resource) -> None:
        """Raises the 403 Refusal of a real API server."""
        if not self.allowed(user, wish):
            where = f'in the namespace "{wish.namespace}"' if wish.namespace else "at the cluster scope"
            what = f'cannot {wish.verb} resource "{wish.resource}" in API group "{wish.group}" {where}'
            raise forbidden(resource, wish.name, f'User "{user.name}" {what}')

    def allowed(self, user: User, wish: Wish) -> bool:
        """Whether a rule bound to the user takes the wish."""
        return MASTERS in user.groups or any(_takes(rule, wish) for rule in self.rules(user, wish.namespace))

    def rules(self, user: User, namespace: str | None) -> Iterator[JsonObject]:
        """The rules that hold for the user in the namespace (None: in the whole cluster)."""
        if MASTERS in user.groups:
            yield {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        bindings = list(self._store.all(_RBAC["clusterrolebindings"], None))
        if namespace:
            bindings += self._store.all(_RBAC["rolebindings"], namespace)
        for binding in bindings:
            if any(_is(user, subject) for subject in binding.get("subjects") or []):
                yield from self._role(binding)

    def _role(self, binding: JsonObject) -> Iterable[JsonObject]:
        ref = binding.get("roleRef") or {}
        cluster = ref.get("kind") == "ClusterRole"
        namespace = "" if cluster else binding["metadata"].get("namespace", "")
        role = self._store.get(_RBAC["clusterroles" if cluster else "roles"], namespace, ref.get("name", ""))
        return (role or {}).get("rules") or []


def _named(name: str) -> User:
    parts = name.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        return account(parts[2], parts[3])
    return User(name, frozenset({"system:authenticated"}))


def _is(user: User, subject: JsonObject) -> bool:
    if subject.get("kind") == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace')}:{subject.get('name')}"
    return subject.get("name") in (user.groups if subject.get("kind") == "Group" else {user.name})


def _takes(rule: JsonObject, wish: Wish) -> bool:
    names = rule.get("resourceNames") or []
    return (
        _any(rule.get("verbs"), wish.verb)
        and _any(rule.get("apiGroups"), wish.group)
        and _any(rule.get("resources"), wish.resource)
        and (not names or wish.name in names)
    )


def _any(listed: list[str] | None, wanted: str) -> bool:
    return bool({"*", wanted} & set(listed or ()))

"""Questions about access: SelfSubjectAccessReview, SelfSubjectRulesReview, and TokenRequest for accounts."""

from datetime import timedelta

from aiohttp import web

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.apiserver.access_control import Access, User, Wish
from kronkeep_daemon.embedded.apiserver.object_operations import stamp
from kronkeep_daemon.embedded.apiserver.request_handlers import Target, Verbs, answer
from kronkeep_daemon.kube.objects import JsonObject

TOKEN_SECONDS = 3600  # what TokenRequest gives where nothing is asked


class Reviews:
    """The three answers."""

    def __init__(self, access: Access, verbs: Verbs, clock: Clock) -> None:
        self._access = access
        self._verbs = verbs
        self._clock = clock

    async def access(self, user: User, request: web.Request) -> web.StreamResponse:
        """Whether the user may do what the review asks."""
        review = await self._verbs.body(request)
        asked = (review.get("spec") or {}).get("resourceAttributes") or {}
        parts = (asked.get("resource", ""), asked.get("subresource", ""))
        resource = "/".join(part for part in parts if part)
        namespace = asked.get("namespace") or None
        name = asked.get("name", "")
        wish = Wish(
            verb=asked.get("verb", ""),
            group=asked.get("group", ""),
            resource=resource,
            namespace=namespace,
            name=name,
        )
        allowed = self._access.allowed(user, wish)
        return answer(_answered("SelfSubjectAccessReview", review, {"allowed": allowed}), 201)

    async def rules(self, user: User, request: web.Request) -> web.StreamResponse:
        """All that the user may do in a namespace."""
        review = await self._verbs.body(request)
        found = list(self._access.rules(user, (review.get("spec") or {}).get("namespace")))
        status = {"resourceRules": found, "nonResourceRules": [], "incomplete": False}
        return answer(_answered("SelfSubjectRulesReview", review, status), 201)

    async def token(self, request: web.Request, target: Target) -> web.StreamResponse:
        """A token of the service account that the path names; raises a 404 Refusal."""
        meta = self._verbs.object(target)["metadata"]
        body = await self._verbs.body(request)
        seconds = int((body.get("spec") or {}).get("expirationSeconds") or TOKEN_SECONDS)
        until = self._clock.now() + timedelta(seconds=seconds)
        token = self._access.token(meta["namespace"], meta["name"], until)
        status = {"token": token, "expirationTimestamp": stamp(until)}
        named = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        return answer({**body, **named, "metadata": {}, "status": status}, 201)


def _answered(kind: str, review: JsonObject, status: JsonObject) -> JsonObject:
    named = {"apiVersion": "authorization.k8s.io/v1", "kind": kind}
    return {**review, **named, "metadata": {}, "status": status}

"""SelfSubjectAccessReview, SelfSubjectRulesReview, and TokenRequest for service accounts."""

from datetime import timedelta

from aiohttp import web

from kronkeep_common.clock import Clock
from kronkeep_daemon.embedded.apiserver.access_control import AccessControl, AccessRequest, UserInfo
from kronkeep_daemon.embedded.apiserver.http_responses import json_response
from kronkeep_daemon.embedded.apiserver.request_handlers import RequestHandlers
from kronkeep_daemon.embedded.apiserver.request_target import Target
from kronkeep_daemon.kube.objects import JsonObject
from kronkeep_daemon.kube.timestamps import format_timestamp

DEFAULT_TOKEN_SECONDS = 3600


class AccessReviews:
    """The answers to questions about access, and the tokens of service accounts."""

    def __init__(self, access: AccessControl, handlers: RequestHandlers, clock: Clock) -> None:
        self._access = access
        self._handlers = handlers
        self._clock = clock

    async def review_access(self, user: UserInfo, request: web.Request) -> web.StreamResponse:
        """Answer whether the user may do what a SelfSubjectAccessReview asks."""
        review = await self._handlers.read_body(request)
        attributes = (review.get("spec") or {}).get("resourceAttributes") or {}
        parts = (attributes.get("resource", ""), attributes.get("subresource", ""))
        access_request = AccessRequest(
            verb=attributes.get("verb", ""),
            group=attributes.get("group", ""),
            resource="/".join(part for part in parts if part),
            namespace=attributes.get("namespace") or None,
            name=attributes.get("name", ""),
        )
        status = {"allowed": self._access.is_allowed(user, access_request)}
        return json_response(_with_status("SelfSubjectAccessReview", review, status), 201)

    async def review_rules(self, user: UserInfo, request: web.Request) -> web.StreamResponse:
        """Answer what the user may do in the namespace of a SelfSubjectRulesReview."""
        review = await self._handlers.read_body(request)
        rules = list(self._access.rules_for(user, (review.get("spec") or {}).get("namespace")))
        status = {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}
        return json_response(_with_status("SelfSubjectRulesReview", review, status), 201)

    async def request_token(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer with a token of the service account that the path names; raises a 404 Refusal."""
        meta = self._handlers.find_object(target)["metadata"]
        body = await self._handlers.read_body(request)
        seconds = int((body.get("spec") or {}).get("expirationSeconds") or DEFAULT_TOKEN_SECONDS)
        until = self._clock.now() + timedelta(seconds=seconds)
        token = self._access.create_token(meta["namespace"], meta["name"], until)
        status = {"token": token, "expirationTimestamp": format_timestamp(until)}
        identity = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        return json_response({**body, **identity, "metadata": {}, "status": status}, 201)


def _with_status(kind: str, review: JsonObject, status: JsonObject) -> JsonObject:
    identity = {"apiVersion": "authorization.k8s.io/v1", "kind": kind}
    return {**review, **identity, "metadata": {}, "status": status}

"""The socket API: routes, access by the peer's credentials, problem responses, events."""

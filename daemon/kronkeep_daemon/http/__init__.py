"""The socket API: one table of routes, access by peer credentials, problems, events."""

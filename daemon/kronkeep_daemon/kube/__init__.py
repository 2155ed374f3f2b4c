"""The one Kubernetes adapter: client, watch, what was observed, objects we create, logs."""

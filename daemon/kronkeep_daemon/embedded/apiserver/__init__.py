"""A small Kubernetes API server on loopback: the paths, shapes, messages and versions that kronkeep and
kubectl meet on a real control plane, for the kinds that running Jobs needs. State is kept on disk."""

from kronkeep_daemon.embedded.apiserver.server import ApiServer

__all__ = ["ApiServer"]

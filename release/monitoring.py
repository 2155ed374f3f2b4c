"""Resources by which Prometheus reads the metrics: a Service, and those of the Prometheus Operator."""

from kronkeep_common.monitoring.alerting_rules import rule_groups
from release.placeholders import Manifest, metadata, place

PODS = {"app.kubernetes.io/name": "kronkeep"}
_OPERATOR = "monitoring.coreos.com/v1"


def service() -> Manifest:
    """Return the Service of the port of the metrics; nothing else is served over TCP."""
    port = {"name": "metrics", "port": place("metrics-port"), "targetPort": place("metrics-port")}
    spec = {"selector": PODS, "ports": [{**port, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata("kronkeepd"), "spec": spec}


def scrape_policy() -> Manifest:
    """Return a policy that lets scrapers in; policies add up, so that of the daemon stays as it is."""
    port = {"port": place("metrics-port"), "protocol": "TCP"}
    spec = {
        "podSelector": {"matchLabels": PODS},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": place("scrapers"), "ports": [port]}],
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata("kronkeepd-metrics"),
        "spec": spec,
    }


def service_monitor() -> Manifest:
    """Return what tells the Prometheus Operator to scrape the Service.

    honorLabels: a series is about the CronJob in its label `namespace`, which the Operator would otherwise
    replace with the Service's.
    """
    endpoint = {"port": "metrics", "interval": place("scrape-interval"), "honorLabels": True}
    spec = {"selector": {"matchLabels": PODS}, "endpoints": [endpoint]}
    return {"apiVersion": _OPERATOR, "kind": "ServiceMonitor", "metadata": _labelled(), "spec": spec}


def prometheus_rule() -> Manifest:
    """Return the alerting rules of `kronkeep monitoring rules` for the Prometheus Operator."""
    return {"apiVersion": _OPERATOR, "kind": "PrometheusRule", "metadata": _labelled(), "spec": rule_groups()}


def resources() -> list[Manifest]:
    """Return all of them."""
    return [service(), scrape_policy(), service_monitor(), prometheus_rule()]


def _labelled() -> Manifest:
    """Return metadata with the labels by which a Prometheus selects its resources."""
    return {**metadata("kronkeepd"), "labels": place("monitoring-labels")}

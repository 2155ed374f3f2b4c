"""Monitoring from outside: metric families, and the alerting rules and the dashboard made of them."""

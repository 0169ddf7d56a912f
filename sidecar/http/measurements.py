"""How long each request took, by its route, for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Histogram(
    "marquee_http_request_duration_seconds",
    "Seconds from a request of the API to its answer.",
    ["method", "route", "status"],
    buckets=(0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2, 4, 8),
    registry=REGISTRY,
)
NO_ROUTE = "none"
"""The route of what was refused before routing or met none: paths are the callers' own and would grow without bound."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe(scope: Any, status: int, seconds: float) -> None:
    """Count one request."""
    method = scope.get("method", "WEBSOCKET")
    route = scope.get("route")  # where nothing met it, the mount of the whole API
    name = route.path_format if isinstance(route, APIRoute) else NO_ROUTE
    REQUESTS.labels(method if method in METHODS else "other", name, str(status)).observe(seconds)

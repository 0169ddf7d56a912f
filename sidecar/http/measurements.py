"""Request durations by route, for Prometheus and for the Overview."""

from typing import Any

from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry, Histogram

from engine.services import running

REGISTRY = CollectorRegistry()
REQUESTS = Histogram(
    "marquee_http_request_duration_seconds",
    "Seconds from an API request to its response.",
    ["method", "route", "status"],
    buckets=(0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2, 4, 8),
    registry=REGISTRY,
)
NO_ROUTE = "none"
"""Route label of requests that were refused before routing or matched none; their paths would be unlimited."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe(scope: Any, status: int, seconds: float) -> None:
    """Record one request."""
    method = scope.get("method", "WEBSOCKET")
    route = scope.get("route")  # if none matched, the mount of the whole API
    name = route.path_format if isinstance(route, APIRoute) else NO_ROUTE
    REQUESTS.labels(method if method in METHODS else "other", name, str(status)).observe(seconds)
    services = running()
    if services is not None:
        too_early = bool(scope.get("state", {}).get("too_early"))  # noted where the error was answered
        services.traffic.count(name, status, seconds, too_early=too_early)

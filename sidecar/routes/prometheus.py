"""Metrics for Prometheus: request durations, and the current state of Marquee."""

from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from engine.services import current
from engine.services.records import State as RunState
from sidecar.http.measurements import REGISTRY
from sidecar.http.requests import StrictRoute

router = APIRouter(tags=["health"], route_class=StrictRoute)


class State(Collector):
    """The current contents and activity of Marquee."""

    def describe(self) -> list[Metric]:
        """Nothing in advance: services may not have started."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The current values, from the services."""
        services = current()
        held, runs = services.library.counts(), services.training.counts()
        yield GaugeMetricFamily("marquee_ratings", "Stored ratings.", held.ratings)
        yield GaugeMetricFamily("marquee_users", "Stored users.", held.users)
        yield GaugeMetricFamily("marquee_movies", "Stored movies.", held.movies)
        version = services.serving.active_version()
        yield GaugeMetricFamily("marquee_active_version", "The active version; 0 before the first.", version or 0)
        yield GaugeMetricFamily("marquee_unread_notices", "Unread notices.", services.inbox.unread())
        family = GaugeMetricFamily("marquee_training_runs", "Training runs by state.", labels=["state"])
        for state in RunState:
            family.add_metric([state], runs.get(state, 0))
        yield family


REGISTRY.register(State())
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


# Reads the store, so it runs in the thread pool and not on the event loop.
@router.get("/metrics", response_class=PlainTextResponse)
def metrics() -> Response:
    """Get metrics for Prometheus.

    In its text format: request durations by method, route and status, the size of the data, the active version,
    training runs by state, unread notices, and the memory and CPU time of the process.
    """
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

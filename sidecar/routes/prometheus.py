"""Measurements for Prometheus: the times of requests, and the state of Marquee at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from fastapi import APIRouter
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from engine.errors import NotReady
from engine.services import current
from engine.services.training import RunState
from sidecar.http.measurements import REGISTRY
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import text_answers

router = APIRouter(tags=["health"], route_class=StrictRoute)

EXAMPLE = """# HELP marquee_ratings Ratings that are stored.
# TYPE marquee_ratings gauge
marquee_ratings 100004.0
"""


class State(Collector):
    """What Marquee holds and does now."""

    def describe(self) -> list[Metric]:
        """Nothing in advance: there may be no services yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Each measurement, asked of the services."""
        services = current()
        held, runs = services.library.counts(), services.training.counts()
        yield GaugeMetricFamily("marquee_ratings", "Ratings that are stored.", held.ratings)
        yield GaugeMetricFamily("marquee_users", "Users that are stored.", held.users)
        yield GaugeMetricFamily("marquee_movies", "Movies that are stored.", held.movies)
        version = services.serving.active_version()
        yield GaugeMetricFamily("marquee_active_version", "The version that serves; 0 before the first.", version or 0)
        yield GaugeMetricFamily("marquee_unread_notices", "Notices that nobody has read.", services.inbox.unread())
        family = GaugeMetricFamily("marquee_training_runs", "Training runs by state.", labels=["state"])
        for state in get_args(RunState):
            family.add_metric([state], runs.get(state, 0))
        yield family


REGISTRY.register(State())
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


# It reads the store, so it runs in the thread pool and not on the event loop.
@router.get("/metrics", status_code=200, response_class=Response, responses=text_answers(EXAMPLE, NotReady))
def metrics() -> Response:
    """Measurements for Prometheus.

    In its text format: seconds of requests by method, route and status, what is stored, which version serves, training
    runs by state, unread notices, and memory and processor time of the process.
    """
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

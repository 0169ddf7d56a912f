"""Metrics for Prometheus: request durations, and the current state of Marquee."""

from collections.abc import Iterator

from fastapi import APIRouter
from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from engine.services import Services, current
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
        log = services.answers.facts()
        yield GaugeMetricFamily("marquee_answer_log_bytes", "Size of the answer log.", log.size_bytes)
        yield GaugeMetricFamily("marquee_answer_log_limit_bytes", "Maximum size of the answer log.", log.limit_bytes)
        yield CounterMetricFamily("marquee_answers_dropped", "Lists that could not be logged.", log.dropped)
        family = GaugeMetricFamily("marquee_training_runs", "Training runs by state.", labels=["state"])
        for state in RunState:
            family.add_metric([state], runs.get(state, 0))
        yield family
        yield from _exams(services)


def _exams(services: Services) -> Iterator[Metric]:
    """Counts of exams, and live figures as they were looked at last."""
    facts, live = services.exams.facts(), services.live.known()
    yield CounterMetricFamily("marquee_exams", "Exams stored since the start.", facts.taken)
    told = "New ratings since the start that were no exam, as too many waited."
    yield CounterMetricFamily("marquee_exams_dropped", told, facts.dropped)
    yield GaugeMetricFamily("marquee_exams_waiting", "Exams not stored yet.", facts.waiting)
    errors = GaugeMetricFamily("marquee_live_rmse", "RMSE on new ratings.", labels=["version", "role"])
    covered = GaugeMetricFamily(
        "marquee_live_interval_coverage", "Share of new ratings inside the 90% interval.", labels=["version", "role"]
    )
    for one in () if live is None else live.versions:
        for family, name in ((errors, "rmse"), (covered, "interval_coverage")):
            if name in one.metrics:
                family.add_metric([str(one.version), one.role], one.metrics[name].value)
    yield errors
    yield covered


REGISTRY.register(State())
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


# Reads the store, so it runs in the thread pool and not on the event loop.
@router.get("/metrics", response_class=PlainTextResponse)
def metrics() -> Response:
    """Get metrics for Prometheus.

    In its text format: request durations by method, route and status, the size of the data, the active version,
    training runs by state, unread notices, exams of new ratings and the live error of each version, the size of the
    answer log and the lists it dropped, and the memory and CPU time of the process.
    """
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

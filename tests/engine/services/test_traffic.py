"""Traffic is counted by minute and forgotten after an hour."""

from __future__ import annotations

import pytest

from engine.services.traffic import TrafficService


class Clock:
    now = 6000.0

    def __call__(self) -> float:
        return self.now


def test_without_requests_there_is_nothing() -> None:
    clock = Clock()
    found = TrafficService(clock).last_hour()
    assert (found.requests, found.lists, found.ratings, found.errors, found.p99_s) == (0, 0, 0, 0, None)


def test_lists_ratings_and_faults_are_counted_apart() -> None:
    clock = Clock()
    traffic = TrafficService(clock)
    for _ in range(198):
        traffic.count("/ml/recommendations/{user_id}", 200, 0.004)
    traffic.count("/ml/recommendations", 503, 4.0)
    traffic.count("/ml/recommendations", 503, 0.001, too_early=True)
    traffic.count("/rate", 200, 0.2)
    traffic.count("/rate", 422, 0.001)
    traffic.count("/ml/models", 200, 3.0)
    clock.now += 100
    found = traffic.last_hour()
    assert (found.requests, found.lists, found.ratings, found.errors) == (203, 198, 2, 1)
    assert found.seconds == 100
    assert found.p99_s == pytest.approx(0.004, rel=0.15)
    traffic.count("/rate", 200, 0.2)
    traffic.count("/rate", 200, 0.2)
    assert traffic.last_hour().p99_s == pytest.approx(0.2, rel=0.15)


def test_the_hour_moves_on() -> None:
    clock = Clock()
    traffic = TrafficService(clock)
    traffic.count("/rate", 200, 0.001)
    clock.now += 3000
    traffic.count("/rate", 200, 500.0)
    assert traffic.last_hour().ratings == 2
    clock.now += 900
    found = traffic.last_hour()
    assert (found.ratings, found.seconds) == (1, 900)
    clock.now += 7200
    assert traffic.last_hour().requests == 0

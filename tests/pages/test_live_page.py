"""The Live page: figures of exams, shadows, and what to do where there are none."""

from __future__ import annotations

from tests.pages import fakes
from tests.pages.conftest import Open, links, words


def test_it_shows_figures_beside_the_evaluation_and_the_means(visit: Open) -> None:
    shown = words(visit("live.py", fakes.loaded()))
    assert "on 900 new ratings" in shown
    for part in ("RMSE", "Evaluation: 0.8740", "Plain means:", "In the first ten"):
        assert part in shown, part


def test_a_shadow_is_called_better_only_with_the_numbers(visit: Open) -> None:
    shown = words(visit("live.py", fakes.loaded()))
    assert "**Version 9** :green[Better]" in shown
    assert "were enough to tell" in shown


def test_without_exams_it_says_where_they_come_from(visit: Open) -> None:
    held = fakes.loaded()
    held.live.exam_count = 0
    at = visit("live.py", held)
    assert "No exams yet" in at.info[0].value
    assert "Rate a movie" in links(at)


def test_without_shadows_it_says_how_to_get_one(visit: Open) -> None:
    held = fakes.loaded()
    held.live.shadows, held.live.too_large = (), (8,)
    at = visit("live.py", held)
    assert "Train a version without activating it" in at.info[0].value
    assert "MARQUEE_SHADOW_MEMORY" in words(at)


def test_a_shadow_that_is_being_read_is_named(visit: Open) -> None:
    held = fakes.loaded()
    held.live.shadows, held.live.reading = (), (8,)
    assert "Version 8 is being read" in words(visit("live.py", held))


def test_a_dip_is_said(visit: Open) -> None:
    held = fakes.loaded()
    held.live.dipped = True
    assert "beyond doubt" in visit("live.py", held).warning[0].value


def test_without_a_version_it_says_what_comes_next(visit: Open) -> None:
    assert "Import" in "".join(links(visit("live.py", fakes.empty())))

"""Overview: empty, loaded and busy."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from engine.evaluation.baselines import Baseline
from engine.services.notices import WebhookState
from engine.services.traffic import Traffic, TrafficService
from pages.panels import overview_health
from pages.ui import session
from pages.ui.escape import JOINER, markup, text
from pages.ui.progress import NO_BREAK
from tests.pages import fakes
from tests.pages.conftest import Open, button, intact, links, press, words
from tests.pages.fakes.data import RUNNING
from tests.pages.fakes.imports import QUESTIONS


def test_an_empty_store_leads_to_the_import(visit: Open) -> None:
    at = visit("overview.py", fakes.empty())
    assert "Import your own ratings or the demo" in words(at)
    assert [metric.value for metric in at.metric] == ["0", "0", "0", "–"]
    assert "Open Import" in links(at)
    assert not at.get("vega_lite_chart")


def test_after_an_undo_of_everything_nothing_is_listed_and_the_import_is_next(visit: Open) -> None:
    held = fakes.loaded()
    held.library.ratings, held.library.movies = 0, ()
    for page in ("overview.py", "recommend.py", "newcomer.py"):
        at = visit(page, held, user="42")
        assert "There are no ratings, so version 2 has nothing to recommend." in words(at)
        assert "Open Import" in links(at)
        assert 'class="mq-tile"' not in words(at)


def test_a_version_whose_ratings_are_gone_is_trained_again(visit: Open) -> None:
    held = fakes.loaded()
    held.serving.strangers = True
    at = visit("overview.py", held)
    assert "The ratings that version 2 learned are gone. Train one on those that are here now." in words(at)
    assert "Open Training" in links(at)


def test_without_the_demo_package_nobody_is_sent_to_the_demo(visit: Open) -> None:
    held = fakes.empty()
    held.imports.demo = False
    assert "Import your ratings; " in words(visit("overview.py", held))


def test_counts_metrics_and_chart_of_a_loaded_store(visit: Open) -> None:
    at = visit("overview.py", fakes.loaded())
    metrics = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert metrics["Ratings"] == ("100,004", "")
    assert metrics["RMSE"] == ("0.8731", "0.8655 to 0.8809")
    assert metrics["Hit rate@10"] == ("74.1%", "70.8% to 77.4%")
    assert len(at.get("vega_lite_chart")) == 1
    assert "Nothing to do" in words(at)


def test_it_says_since_when_a_version_serves_and_whether_it_is_better_than_popular_movies(visit: Open) -> None:
    held = fakes.loaded()
    beside = Baseline("all", "ndcg_at_k", 0.31, 0.22, 0.01, 0.09, 0.05, 0.12, 600, "better")
    held.versions.held = [replace(one, baselines=(beside,)) for one in held.versions.held]
    at = visit("overview.py", held)
    shown = words(at).replace(JOINER, "").replace("\\", "")
    assert "Active since 2026-" in shown
    assert "Lists are better than the most popular movies: NDCG@10 0.3100 against 0.2200, 600 people." in shown
    assert links(at)["Go back to version 1"] == "versions?roll_back=1"
    held.versions.held = held.versions.held[:1]
    assert "Go back to version 1" not in links(visit("overview.py", held))


def test_it_shows_the_beginning_of_a_list(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("overview.py", held)
    titles = [one.title for one in held.recommendations.recommend("42", 4).items]
    assert words(at).count('class="mq-tile"') == len(titles) == 4
    assert all(markup(title) in words(at) for title in titles)
    assert 'class="mq-tile"' not in words(visit("overview.py", fakes.first_training()))


def test_a_version_that_learned_little_is_trained_again(visit: Open) -> None:
    held = fakes.loaded()
    held.versions.held = [replace(one, ratings=83_337) for one in held.versions.held]
    assert "Nothing to do" in words(visit("overview.py", held))
    held.versions.held = [replace(one, ratings=2) for one in held.versions.held]
    at = visit("overview.py", held)
    assert "Version 2 learned 2 of 100,004 ratings. Train one on all of them." in words(at)
    assert "Open Training" in links(at)
    held.training.going = RUNNING
    shown = words(visit("overview.py", held))
    assert "Train again" not in shown
    assert "**Training a version**" in shown
    assert "Version 2 serves meanwhile. The verdict will be among the notices." in shown


def test_a_better_version_that_waits_is_named(visit: Open) -> None:
    held = fakes.loaded()
    active = held.versions.held[0]
    new = replace(active, version=9, active=False, activated_at=None, verdict="PROMOTE")
    held.versions.held = [new, *held.versions.held]
    at = visit("overview.py", held)
    assert "**Activate version 9?**" in words(at)
    assert "Open Versions" in links(at)
    held.versions.held[0] = replace(new, verdict="HOLD")
    assert "Nothing to do" in words(visit("overview.py", held))


def test_nobody_is_told_that_there_is_nothing_to_do_while_something_is_going_on(visit: Open) -> None:
    held = fakes.loaded()
    held.imports.undo(1)
    shown = words(visit("overview.py", held))
    assert "Nothing to do" not in shown
    assert "**Undo in progress**" in shown


@pytest.mark.parametrize(
    ("ended", "title", "why"),
    [("", "Answer your import", f"It waits for {len(QUESTIONS)} answers"), ("planned", "Confirm your import", "It is")],
)
def test_an_import_that_waits_comes_first(visit: Open, ended: str, title: str, why: str) -> None:
    at = visit("overview.py", fakes.asking(ended=ended))
    assert title in words(at)
    assert why in words(at)
    assert "Open Import" in links(at)


def test_a_tile_names_the_popular_movies(visit: Open) -> None:
    held = fakes.loaded()
    beside = Baseline("all", "hit_rate_at_k", 0.741, 0.5, 0.01, 0.241, 0.2, 0.28, 653, "better")
    held.versions.held = [replace(one, baselines=(beside,)) for one in held.versions.held]
    at = visit("overview.py", held)
    assert [one.value for one in at.caption if "Popular" in one.value] == ["Popular movies: 50.0%"]


def test_notices_show_as_text_and_can_be_marked_read(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("overview.py", held)
    assert "&lt;script&gt;" in words(at)
    assert "<script" not in words(at)
    intact(press(at, session.READ_ALL))
    assert held.inbox.unread() == 0


def test_a_training_is_shown_and_can_be_cancelled(visit: Open) -> None:
    held = fakes.first_training()
    at = visit("overview.py", held)
    assert at.main.get("progress")[0].text.endswith("about 20 s left".replace(" ", NO_BREAK))
    assert "Training the first version" in words(at)
    intact(press(at, session.CANCEL_RUN))
    assert held.training.cancelled == [4]


def test_a_running_import_can_be_cancelled(visit: Open) -> None:
    held = fakes.empty()
    held.imports.import_demo()
    at = visit("overview.py", held)
    assert "Demo import · Reading ratings" in at.main.get("progress")[0].text
    assert "Importing ratings" in words(at)
    intact(press(at, session.CANCEL_IMPORT))
    assert held.imports.held[0].state == "cancelled"


def test_an_undo_is_shown_without_a_way_to_cancel_it(visit: Open) -> None:
    held = fakes.loaded()
    held.imports.undo(3)
    at = visit("overview.py", held)
    assert at.main.get("progress")[0].text.startswith("Undo · ")
    assert button(at, session.CANCEL_IMPORT) is None


def test_who_is_alone_is_asked_for_others(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    held = fakes.loaded()
    counts = held.library.counts()
    monkeypatch.setattr(held.library, "counts", lambda: replace(counts, users=1))
    at = visit("overview.py", held)
    assert "Add more people" in words(at)
    assert "or the demo as company" in words(at)


def test_health_shows_what_serves_and_what_comes_next(visit: Open) -> None:
    held = fakes.loaded()
    at = visit("overview.py", held)
    tiles = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert tiles["Active version"][0] == "2"
    assert tiles["New ratings"] == ("1,204", "1.2% of all")
    assert tiles["Lists served"] == ("None", "")
    assert tiles["Next training"][0].startswith("in ")
    assert tiles["Next training"][1].startswith("at ")
    held.automation.planned = replace(held.automation.planned, next_run=None)
    assert {metric.label: metric.value for metric in visit("overview.py", held).metric}["Next training"] == "Paused"


def test_health_shows_the_traffic_of_the_last_hour(visit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrafficService, "last_hour", lambda _: Traffic(3600.0, 900, 864, 36, 1, 0.0123))
    tiles = {metric.label: metric for metric in visit("overview.py", fakes.loaded()).metric}
    told = {name: (tiles[name].value, tiles[name].delta) for name in ("Lists served", "Ratings saved", "Errors")}
    assert told == {
        "Lists served": ("0.24/s", "p99 12 ms"),
        "Ratings saved": ("0.01/s", ""),
        "Errors": ("1", "of 900 requests"),
    }


def test_what_needs_a_person_is_told(visit: Open) -> None:
    held = fakes.loaded()
    held.inbox.hook = WebhookState(9, None, fakes.NOW, "refused", fakes.NOW + 300)
    told = words(visit("overview.py", held))
    assert told.count("Needs you") == 2
    assert text("2 notices not looked at yet.") in told
    assert "The webhook has been failing since" in told
    held.inbox.mark_read()
    held.inbox.hook = None
    assert "Needs you" not in words(visit("overview.py", held))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(5, "5 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (172_799, "47 h"), (172_800, "2 days")],
)
def test_ages_are_told_roughly(seconds: float, told: str) -> None:
    assert overview_health.age(seconds) == told


def test_rates_have_two_digits() -> None:
    assert [overview_health.rate(n, 100) for n in (0, 1, 123, 931_00)] == ["0", "0.01", "1.2", "931"]


def test_live_figures_and_explanations_stand_beside_the_evaluation(visit: Open) -> None:
    held = fakes.loaded()
    measured = {"faithfulness": {"pairs": 200, "share": 0.06, "effect": 0.0582, "difference": 0.002}}
    held.versions.held = [replace(one, protocol=one.protocol | measured) for one in held.versions.held]
    at = visit("overview.py", held)
    assert re.search(r"On 900 new ratings: RMSE [\d.]+ \([\d.]+ to [\d.]+\) and Interval coverage", words(at))
    assert "falls by 97% of its share" in words(at)
    assert "Open Live" in links(at)
    held.live.exam_count = 0
    assert "new ratings: RMSE" not in words(visit("overview.py", held))

"""Every list that people are given is kept once, with what it was made from, and nothing else is."""

from __future__ import annotations

import csv
import io
import time
from threading import Event
from typing import Any

import pytest

from engine.errors import UnknownUser
from engine.recommending.lists import ListOptions
from engine.runtime import Runtime
from engine.services import answers as module
from engine.settings import Settings
from store.answers import AnswerStore
from store.errors import StoreFull
from tests.engine.services.conftest import finished, opened, trained_store, wait_for
from tests.store.conftest import Clock


def ids_of(listed: Any) -> list[str]:
    return [item.movie_id for item in listed.items]


def test_a_list_is_kept_with_what_it_was_made_from(logged: Runtime, clock: Clock) -> None:
    services = logged.services
    first = services.recommendations.recommend("u1")
    clock.now += 5
    services.ratings.rate("u1", first.items[0].movie_id, 5.0)
    second = services.recommendations.recommend("u1", 3, exclude=["m1"], diversity=0.5)
    newer, older = services.answers.shown("u1")
    assert [(one.shown_at, one.model_version, one.ratings_count) for one in (older, newer)] == [
        (clock.now - 5, 1, first.ratings_count),
        (clock.now, 1, first.ratings_count + 1),
    ]
    assert (older.options, newer.options) == ({}, {"n": 3, "exclude": ["m1"], "diversity": 0.5})
    for told, given in ((older, first), (newer, second)):
        assert [(one.rank, one.movie_id, one.title) for one in told.items] == [
            (one.rank, one.movie_id, one.title) for one in given.items
        ]
        assert [one.score for one in told.items] == pytest.approx([one.score for one in given.items])
    assert services.answers.shown("u1", 1) == [newer]
    assert services.answers.shown("u1", before=newer.answer_id) == [older]
    assert services.answers.shown("u2") == []


def test_the_revision_says_which_ratings_a_list_knows(logged: Runtime) -> None:
    services, store = logged.services, AnswerStore(logged.database)
    key = logged.services.serving.ready().users["u1"]
    base = services.serving.ready().revision
    services.recommendations.recommend("u1")
    services.ratings.rate("u2", "m1", 1.5)
    services.ratings.rate("u3", "m2", 1.5)
    services.recommendations.recommend("u1", 9)
    services.ratings.unrate("u3", "m2")
    services.serving.refresh()
    services.recommendations.recommend("u1", 8)
    services.answers.flush()
    found = store.of_user(key)[::-1]
    assert [one.revision - base for one in found] == [0, 2, 3]


def test_a_list_that_is_shown_again_is_kept_once(logged: Runtime, clock: Clock) -> None:
    services = logged.services
    for _ in range(3):
        services.recommendations.recommend("u1")
        services.answers.flush()
        services.recommendations.recommend("u1", exclude=())
        clock.now += 100
    assert len(services.answers.shown("u1")) == 1
    services.recommendations.recommend("u1", 9)
    services.recommendations.recommend("u1")
    assert [len(one.items) for one in services.answers.shown("u1")] == [10, 9, 10]
    clock.now += module.REPEAT_S
    services.recommendations.recommend("u1")
    assert len(services.answers.shown("u1")) == 4


def test_a_repeat_is_known_after_a_restart(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    with opened(settings, trained_store(tmp_path_factory), clock) as first:
        first.services.recommendations.recommend("u1")
    with opened(settings, clock=clock) as again:
        again.services.recommendations.recommend("u1")
        assert len(again.services.answers.shown("u1")) == 1


def test_what_nobody_sees_is_not_kept(logged: Runtime) -> None:
    services = logged.services
    wanted = ListOptions(5)
    services.recommendations.recommend_to({"m1": 5.0}, wanted)
    services.recommendations.what_if("u1", {"m1": 5.0}, wanted)
    bundle = services.versions.bundle(1)
    services.recommendations.list_with(bundle, "u1")
    services.recommendations.changes((1, bundle), (1, bundle))
    services.recommendations.interview("u1", 3)
    services.serving.effect(services.serving.ready())
    b"".join(services.exports.recommendations(3))
    services.profiles.predicted("u1")
    services.recommendations.recommend("u1", shown=False)
    services.recommendations.recommend("somebody new")
    services.answers.flush()
    assert services.answers.facts().answers == 0
    with pytest.raises(UnknownUser, match="Nobody has the id 'somebody new'"):
        services.answers.shown("somebody new")


def test_a_new_person_has_lists_from_their_first_rating_on(logged: Runtime) -> None:
    services = logged.services
    services.ratings.rate("somebody new", "m1", 4.0)
    listed = services.recommendations.recommend("somebody new", 4, genres_liked=["War"])
    (shown,) = services.answers.shown("somebody new")
    assert (ids_of(shown), shown.ratings_count) == (ids_of(listed), 1)
    assert shown.options == {"n": 4, "genres_liked": ["War"]}


def test_the_worker_writes_on_its_own_within_a_second_or_two(trained: Runtime) -> None:
    trained.services.recommendations.recommend("u1")
    wait_for(lambda: trained.services.answers.facts().answers == 1, 10)
    assert trained.services.answers.facts().waiting == 0


def test_nothing_is_lost_at_a_stop(settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> None:
    with opened(settings, trained_store(tmp_path_factory), clock) as first:
        for user in range(50):
            first.services.recommendations.recommend(f"u{user}")
    with opened(settings, clock=clock) as again:
        assert all(len(again.services.answers.shown(f"u{user}")) == 1 for user in range(50))


def test_a_full_queue_drops_answers_and_counts_them(logged: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    services = logged.services
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    for n in range(1, 6):
        services.recommendations.recommend("u1", n)
    facts = services.answers.facts()
    assert (facts.waiting, facts.dropped) == (3, 2)
    assert [len(one.items) for one in services.answers.shown("u1")] == [3, 2, 1]
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 1)
    services.recommendations.recommend("u1", 7)
    assert services.answers.facts().dropped == 3


def test_answers_wait_while_the_disk_is_full(
    logged: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services = logged.services
    services.recommendations.recommend("u1", 1)
    with monkeypatch.context() as patch:

        def full(*_: Any) -> int:
            raise StoreFull("The disk is full.")

        patch.setattr(AnswerStore, "add", full)
        services.answers._look()
        services.recommendations.recommend("u1", 2)
        services.answers._look()
        assert [one.message for one in caplog.records if "answers can't be kept" in one.message] == [
            "answers can't be kept at the moment: The disk is full."
        ]
        assert services.answers.facts().waiting == 2
    services.answers._look()
    assert [len(one.items) for one in services.answers.shown("u1")] == [2, 1]


def test_a_worker_that_dies_loses_nothing(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    services = trained.services
    monkeypatch.setattr("store.worker.PAUSE_S", 0.01)
    real = AnswerStore.last_of
    died: list[bool] = []

    def last_of(self: AnswerStore, users: Any) -> Any:
        if not died:
            died.append(True)
            raise SystemExit("gone")
        return real(self, users)

    monkeypatch.setattr(AnswerStore, "last_of", last_of)
    services.recommendations.recommend("u1")
    wait_for(lambda: services.answers.facts().answers == 1, 20)
    assert died
    assert any("worker answers stopped" in one.text for one in services.inbox.notices(10))


def test_keeping_takes_microseconds_and_never_waits(logged: Runtime) -> None:
    services = logged.services
    state = services.serving.ready()
    user, wanted = state.listen("u1"), ListOptions()
    made = state.make_list(user, wanted, user.state.items)
    with services.answers._writing:  # as while a batch is written
        begun = time.perf_counter()
        for _ in range(1000):
            services.answers.keep(state, user, wanted, made)
        took = time.perf_counter() - begun
    assert took < 0.2  # 200 microseconds each, ten times what it takes


def test_the_oldest_go_first_and_the_log_keeps_to_its_limit(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MB", 10_000)
    monkeypatch.setattr(module, "BATCH", 20)
    with opened(settings.model_copy(update={"answer_log_mb": 1}), trained_store(tmp_path_factory), clock) as runtime:
        services, began = runtime.services, clock.now
        runtime.services.answers._values.write(
            {"since": began}
        )  # the store may have been opened before the test's time
        assert services.answers.since() == began
        for n in range(1, 101):
            clock.now += 1
            services.recommendations.recommend("u1", 5 + n % 10)
        services.answers.flush()
        facts = services.answers.facts()
        assert 0.9 * 10_000 < facts.size_bytes <= facts.limit_bytes == 10_000
        assert AnswerStore(runtime.database).held() == (facts.answers, facts.size_bytes)
        shown = services.answers.shown("u1", 200)
        assert [one.shown_at for one in shown] == [clock.now - n for n in range(facts.answers)]
        assert services.answers.since() == shown[-1].shown_at > began


def test_turned_off_the_log_is_erased_and_kept_empty(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> None:
    with opened(settings, trained_store(tmp_path_factory), clock) as on:
        began = clock.now
        on.services.recommendations.recommend("u1")
    clock.now += 100
    with opened(settings.model_copy(update={"answer_log_mb": 0}), clock=clock) as off:
        off.services.recommendations.recommend("u1")
        assert off.services.answers.shown("u1") == []
        assert (off.services.answers.since(), off.services.answers.is_on) == (None, False)
        assert off.services.answers.facts().limit_bytes == 0
    clock.now += 100
    with opened(settings, clock=clock) as again:
        assert again.services.answers.shown("u1") == []
        assert again.services.answers.since() == clock.now == began + 200


def test_a_stop_does_not_wait_until_a_long_log_is_erased(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings, trained_store(tmp_path_factory), clock) as on:
        for n in range(1, 21):
            on.services.recommendations.recommend("u1", n)
    off = settings.model_copy(update={"answer_log_mb": 0})
    monkeypatch.setattr(module, "BATCH", 1)
    real, going, is_open = AnswerStore.prune, list[Runtime](), Event()

    def prune(self: AnswerStore, count: int) -> int:
        assert is_open.wait(60)  # the worker may come here at once
        going[0].services.answers.worker.stopping.set()
        return real(self, count)

    with monkeypatch.context() as patch:
        patch.setattr(AnswerStore, "prune", prune)
        with opened(off, clock=clock) as stopping:
            going.append(stopping)
            is_open.set()
            stopping.services.answers.flush()
            assert stopping.services.answers.facts().answers == 19
    with opened(off, clock=clock) as again:
        again.services.answers.flush()
        assert again.services.answers.facts().answers == 0


def test_forgetting_a_person_erases_their_answers_also_those_that_wait(logged: Runtime) -> None:
    services, store = logged.services, AnswerStore(logged.database)
    key = services.serving.ready().users["u1"]
    services.recommendations.recommend("u1")
    services.answers.flush()
    services.recommendations.recommend("u1", 5)
    services.recommendations.recommend("u2")
    services.ratings.forget("u1")
    services.answers.flush()
    assert store.of_user(key) == []
    assert len(services.answers.shown("u2")) == 1
    services.ratings.rate("u1", "m1", 4.0)  # somebody new under the same id
    assert services.answers.shown("u1") == []


def test_a_person_gets_a_copy_of_what_they_were_shown(logged: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    services = logged.services
    monkeypatch.setattr(module, "PAGE", 2)
    for n in range(1, 6):
        services.recommendations.recommend("u1", n)
    rows = list(csv.DictReader(io.StringIO(b"".join(services.answers.table("u1")).decode())))
    assert [row["rank"] for row in rows] == [str(rank) for n in range(5, 0, -1) for rank in range(1, n + 1)]
    assert tuple(rows[0]) == module.COLUMNS
    assert rows[0]["shown_at"].startswith("2023-11-14T22:13:20")
    with pytest.raises(UnknownUser):
        services.answers.table("nobody")


def test_a_movie_that_was_removed_keeps_its_title(logged: Runtime) -> None:
    services = logged.services
    listed = services.recommendations.recommend("u1", 1)
    logged.database.write(
        lambda tx: tx.exec_driver_sql("UPDATE movies SET removed = 1 WHERE external_id = ?", (ids_of(listed)[0],))
    )
    (shown,) = services.answers.shown("u1")
    assert [one.title for one in shown.items] == [one.title for one in listed.items]


def test_lists_of_an_earlier_version_stay(logged: Runtime) -> None:
    services = logged.services
    services.recommendations.recommend("u1")
    run = finished(logged, services.training.train_model("svd", {"epochs": 2, "factors": 4}, "always"))
    assert run.version == 2, run.error
    services.recommendations.recommend("u1")
    assert [one.model_version for one in services.answers.shown("u1")] == [2, 1]

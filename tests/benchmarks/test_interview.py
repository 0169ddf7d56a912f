"""The interview is judged by ratings that no answer is made of, on users that nothing was learned from or chosen by."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import interview
from benchmarks.__main__ import BENCHMARKS
from benchmarks.data import interactions, simulate
from benchmarks.interview import (
    ANSWERS,
    INTERVIEW,
    MAX_QUESTIONS,
    POPULAR,
    Answers,
    Outcome,
    Outcomes,
    Person,
    World,
    build,
    choose_users,
    compare,
    conclude,
    hold,
    judge,
    measure,
    render,
    strategies,
)
from engine.data.ratings import Interactions

PEOPLE, KEPT_OUT = np.arange(0, 12), np.arange(12, 20)


@pytest.fixture(scope="module")
def data() -> Interactions:
    return interactions(simulate(5000, 90, 120))


@pytest.fixture(scope="module")
def world(data: Interactions) -> World:
    return build(data, PEOPLE, KEPT_OUT, seed=3)


def outcome(user: int, ndcg: float, answers: int = ANSWERS) -> Outcome:
    return Outcome(user, ndcg, ndcg / 2, questions=40, answers=answers)


def test_who_judges_has_chosen_nothing(data: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interview, "DEVELOPMENT", 10)
    development, judges = choose_users(data)
    assert len(development) == 10
    assert len(judges) > 10
    assert not np.isin(development, judges).any()
    assert data.user_counts[np.concatenate([development, judges])].min() >= interview.MIN_RATINGS


def test_nothing_is_learned_from_those_left_out(data: Interactions, world: World) -> None:
    assert not np.isin(world.train.users, [*PEOPLE, *KEPT_OUT]).any()
    assert len(world.train) == int(data.user_counts[20:].sum())


def test_answers_and_what_they_are_judged_by_are_apart(data: Interactions, world: World) -> None:
    assert [person.user for person in world.people] == PEOPLE.tolist()
    for person in world.people:
        rows = data.by_user.of(person.user)
        ratings = dict(zip(data.items[rows].tolist(), data.ratings[rows].tolist(), strict=True))
        assert len(person.pool) == len(rows) // 2 > 0
        assert not set(person.pool) & set(person.liked.tolist())
        assert all(ratings[movie] == rating for movie, rating in person.pool.items())
        assert set(person.liked.tolist()) == {m for m, r in ratings.items() if m not in person.pool and r >= 4}


def test_an_interview_goes_on_to_ten_answers(world: World) -> None:
    person = world.people[0]
    asked: list[int] = []

    def known_every_third_time(said: Answers) -> int:
        known = [movie for movie in person.pool if movie not in said.items]
        unknown = [movie for movie in range(120) if movie not in person.pool and movie not in said.skipped]
        asked.append(known[0] if len(asked) % 3 == 2 else unknown[0])
        return asked[-1]

    found = hold(known_every_third_time, person, world)
    assert (found.answers, found.questions) == (ANSWERS, 3 * ANSWERS)
    first = Answers()
    for movie in asked[:ANSWERS]:
        first.ask(movie, person.pool)
    assert (len(first.items), len(first.skipped)) == (3, 7)
    assert found.early == judge(first, person, world)
    nobody = hold(lambda said: next(m for m in range(10_000, 20_000) if m not in said.skipped), person, world)
    assert (nobody.answers, nobody.questions, nobody.ndcg) == (0, MAX_QUESTIONS, nobody.early)
    assert hold(lambda _: None, person, world).questions == 0


def test_lists_hold_nothing_that_could_be_answered_with(world: World) -> None:
    """What is liked counts when it is listed, and only then."""
    person = world.people[1]
    none = Person(person.user, person.pool, np.array(list(person.pool), np.int32))
    every = Person(person.user, {}, np.arange(120, dtype=np.int32))
    assert judge(Answers(), none, world) == 0
    assert judge(Answers(), every, world) == pytest.approx(1)


def test_the_most_popular_are_asked_about_in_order(world: World) -> None:
    ask, said = strategies(world)[POPULAR], Answers()
    while (movie := ask(said)) is not None:
        said.ask(movie, {})
    assert sorted(said.skipped) == list(range(120))
    assert (np.diff(world.train.movie_counts[said.skipped]) <= 0).all()


def test_the_interval_is_over_users_whose_draws_stay_together() -> None:
    ours = [outcome(user, 0.5 + 0.01 * (user % 3)) for user in (1, 2, 3, 4) for _ in range(2)]
    theirs = [outcome(user, 0.4) for user in (1, 2, 3, 4) for _ in range(2)]
    found = compare({INTERVIEW: ours, POPULAR: theirs}, lambda one: one.ndcg, lambda _: True)
    assert found is not None
    assert found.users == 4
    assert found.value == pytest.approx(0.11)
    assert 0.1 <= found.low < found.value < found.high <= 0.12


def test_only_pairs_that_are_kept_on_both_sides_count() -> None:
    ours = [outcome(1, 0.9), outcome(2, 0.5, answers=4), outcome(3, 0.5)]
    theirs = [outcome(1, 0.4), outcome(2, 0.1), outcome(3, 0.1, answers=9)]
    found = compare({INTERVIEW: ours, POPULAR: theirs}, lambda one: one.ndcg, lambda one: one.answers >= ANSWERS)
    assert found is not None
    assert [found.value, found.low, found.high] == pytest.approx([0.5] * 3)
    assert found.users == 1
    assert compare({INTERVIEW: [], POPULAR: []}, lambda one: one.ndcg, lambda _: True) is None


def test_both_ways_to_ask_are_measured_on_the_same_people(data: Interactions) -> None:
    found = measure(data, PEOPLE, KEPT_OUT, [0, 1])
    ours, theirs = found[INTERVIEW], found[POPULAR]
    assert [one.user for one in ours] == [one.user for one in theirs]
    assert 2 * len(PEOPLE) - 4 <= len(ours) <= 2 * len(PEOPLE)
    assert all(0 <= one.ndcg <= 1 and one.questions <= MAX_QUESTIONS for one in ours + theirs)
    assert np.mean([one.answers for one in theirs]) > ANSWERS / 2
    assert found == measure(data, PEOPLE, KEPT_OUT, [0, 1])


@pytest.mark.parametrize(("gain", "code"), [(0.1, 0), (0.0, 1), (-0.1, 1)])
def test_a_missed_goal_is_reported(
    gain: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: Interactions
) -> None:
    theirs = [outcome(user, 0.3 + 0.01 * user) for user in range(20)]
    found: Outcomes = {INTERVIEW: [outcome(one.user, one.ndcg + gain) for one in theirs], POPULAR: theirs}
    monkeypatch.setattr(interview, "demo_interactions", lambda: data)
    monkeypatch.setattr(interview, "measure", lambda *_: found)
    assert BENCHMARKS["interview"]([]) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
    assert conclude(found)[1] != bool(code)
    assert f"| {POPULAR} | 0.3950 | 0.1975 | 40 | 40 | 100% |" in render(found)

"""Lists after ten answers to the interview compared with ten answers about the most popular movies, and the goal.

``python -m benchmarks interview``; the exit code is 1 where the interval of the difference does not lie above zero.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks import markdown
from benchmarks.data import demo_interactions
from benchmarks.peers.models import MarqueeLists
from engine.data.arrays import Float32, Int32
from engine.data.history import History
from engine.data.ratings import Interactions
from engine.evaluation import metrics
from engine.recommending.interview import Interview

MIN_RATINGS = 40
"""Minimum number of ratings of an interviewed user: half to answer with, half to evaluate on."""
DEVELOPMENT = 200
"""Number of these users on whom the interview's settings were chosen; the others evaluate it."""
ANSWERS = 10
MAX_QUESTIONS = 100
LIST_LENGTH = 10
INTERVIEW, POPULAR = "interview", "most popular first"

Users = NDArray[np.int64]
Strategy = Callable[["Answers"], "int | None"]
"""Returns the next movie to ask about, None if there is none."""


@dataclass
class Answers:
    """Answers of one person so far."""

    items: list[int] = field(default_factory=list)
    ratings: list[float] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)

    @property
    def questions(self) -> int:
        """Number of questions asked."""
        return len(self.items) + len(self.skipped)

    @property
    def history(self) -> tuple[Int32, Float32]:
        """The answers in the engine's form."""
        return np.array(self.items, np.int32), np.array(self.ratings, np.float32)

    def ask(self, movie: int, pool: dict[int, float]) -> None:
        """Answer with the rating in the pool, or that the movie is unknown."""
        if movie in pool:
            self.items.append(movie)
            self.ratings.append(pool[movie])
        else:
            self.skipped.append(movie)


@dataclass(frozen=True)
class Person:
    """A user left out of training: ratings to answer with, and the liked movies among the others."""

    user: int
    pool: dict[int, float]
    liked: Int32


@dataclass(frozen=True)
class World:
    """A version trained on everybody else, and the users left out."""

    train: Interactions
    lists: MarqueeLists
    people: list[Person]


@dataclass(frozen=True)
class Outcome:
    """Outcome of one interview.

    Attributes:
        user: who was asked.
        ndcg: of the list made from the answers.
        early: the same of the list after as many questions as answers were wanted.
        questions: how many were asked.
        answers: how many of them were answered.
    """

    user: int
    ndcg: float
    early: float
    questions: int
    answers: int


Outcomes = dict[str, list[Outcome]]
"""Outcomes by strategy, in the same order."""


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences with its 95% interval over users, and the number of users."""

    value: float
    low: float
    high: float
    users: int

    @property
    def met(self) -> bool:
        """Whether the goal is met: an interval above zero."""
        return self.low > 0

    def __str__(self) -> str:
        return f"{self.value:+.4f} ({self.low:+.4f} to {self.high:+.4f}, {self.users} users)"


def choose_users(data: Interactions) -> tuple[Users, Users]:
    """Users for choosing settings, and users for evaluation."""
    enough = np.random.default_rng(12345).permutation(np.flatnonzero(data.user_counts >= MIN_RATINGS))
    return enough[:DEVELOPMENT], enough[DEVELOPMENT:]


def build(data: Interactions, people: Users, kept_out: Users, seed: int) -> World:
    """Train as usual on everybody except the interviewed users and those kept out."""
    train = data.subset(~np.isin(data.users, np.concatenate([people, kept_out])))
    lists = MarqueeLists()
    lists.load(train)
    lists.fit()
    rng = np.random.default_rng(seed)
    return World(train, lists, [_halve(data, user, rng) for user in people.tolist()])


def _halve(data: Interactions, user: int, rng: np.random.Generator) -> Person:
    rows = rng.permutation(data.by_user.of(user))
    pool, hidden = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    liked = data.items[hidden][data.ratings[hidden] >= metrics.relevant_from(data.scale)]
    return Person(user, dict(zip(data.items[pool].tolist(), data.ratings[pool].tolist(), strict=True)), liked)


def strategies(world: World) -> dict[str, Strategy]:
    """Both strategies."""
    prepared = Interview.prepare(world.train, world.lists.served.scorer.ranker)
    ordered = np.argsort(-world.train.movie_counts, kind="stable").tolist()

    def interview(said: Answers) -> int | None:
        found = prepared.questions(*said.history, np.array(said.skipped, np.int32))
        return found[0].movie if found else None

    return {
        INTERVIEW: interview,
        POPULAR: lambda said: ordered[said.questions] if said.questions < len(ordered) else None,
    }


def hold(strategy: Strategy, person: Person, world: World) -> Outcome:
    """Ask until there are ten answers, a hundred questions, or no more questions."""
    said, early = Answers(), None
    while len(said.items) < ANSWERS and said.questions < MAX_QUESTIONS:
        movie = strategy(said)
        if movie is None:
            break
        said.ask(movie, person.pool)
        if said.questions == ANSWERS:
            early = judge(said, person, world)
    found = judge(said, person, world)
    return Outcome(person.user, found, found if early is None else early, said.questions, len(said.items))


def judge(said: Answers, person: Person, world: World) -> float:
    """NDCG@10 of the list after these answers, without any movie the person could have answered about."""
    model, history = world.lists.model, History.of(*said.history)
    vector = model.fold_in_user(history.items, history.ratings)
    drop = np.array(list(person.pool), np.int32)
    listed = world.lists.served.draw(history, partial(model.predict_vector, vector), drop)[:LIST_LENGTH]
    hits = np.zeros((1, LIST_LENGTH), bool)
    hits[0, : len(listed)] = np.isin(listed, person.liked)
    return float(metrics.ndcg(hits, np.array([len(person.liked)]))[0])


def measure(data: Interactions, people: Users, kept_out: Users, draws: Iterable[int]) -> Outcomes:
    """Interview everybody once per draw; half of the people are left out of training at a time."""
    found: Outcomes = {}
    for draw in draws:
        for half in np.array_split(np.random.default_rng(draw).permutation(people), 2):
            world = build(data, half, kept_out, draw)
            for name, strategy in strategies(world).items():
                outcomes = [hold(strategy, person, world) for person in world.people if len(person.liked)]
                found.setdefault(name, []).extend(outcomes)
    return found


def compare(found: Outcomes, figure: Callable[[Outcome], float], kept: Callable[[Outcome], bool]) -> Difference | None:
    """Difference between interview and popularity over the pairs in which both are kept; None if there are none.

    The bootstrap draws all outcomes of a user together.
    """
    pairs = [(ours, theirs) for ours, theirs in zip(*found.values(), strict=True) if kept(ours) and kept(theirs)]
    if not pairs:
        return None
    _, user = np.unique([ours.user for ours, _ in pairs], return_inverse=True)
    differences = np.array([figure(ours) - figure(theirs) for ours, theirs in pairs])
    sums = np.bincount(user, weights=differences).astype(np.float64)
    counts = np.bincount(user).astype(np.float64)
    low, high = metrics.bootstrap(sums[:, None], counts[:, None], seed=0, samples=5000)
    return Difference(float(sums.sum() / counts.sum()), float(low[0]), float(high[0]), len(counts))


def render(found: Outcomes) -> str:
    """A Markdown table with a row per strategy."""
    headings = ["asked", "NDCG@10, 10 answers", "NDCG@10, 10 questions", "questions, median", "p90", "gave 10 answers"]
    rows = []
    for name, outcomes in found.items():
        ndcg, early = (np.mean([getattr(one, figure) for one in outcomes]) for figure in ("ndcg", "early"))
        asked = [one.questions for one in outcomes]
        reached = np.mean([one.answers >= ANSWERS for one in outcomes])
        counts = f"{np.median(asked):.0f}", f"{np.quantile(asked, 0.9):.0f}", f"{reached:.0%}"
        rows.append([name, f"{ndcg:.4f}", f"{early:.4f}", *counts])
    return markdown.table(headings, rows)


def conclude(found: Outcomes) -> tuple[str, bool]:
    """The differences in words, and whether the goal is met."""
    goal = compare(found, lambda one: one.ndcg, lambda _: True)
    early = compare(found, lambda one: one.early, lambda _: True)
    alike = compare(found, lambda one: one.ndcg, lambda one: one.answers >= ANSWERS)
    met = goal is not None and goal.met
    lines = (
        f"{INTERVIEW} less {POPULAR}, NDCG@{LIST_LENGTH} with a 95% interval over users",
        f"  after {ANSWERS} answers: {goal}   goal: above 0, {'met' if met else 'MISSED'}",
        f"  after {ANSWERS} questions: {early}",
        f"  of those who gave {ANSWERS} answers to both: {alike}",
    )
    return "\n".join(lines), met


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks interview", description=__doc__)
    parser.add_argument("--draws", type=int, default=3, help="number of random draws of users and ratings")
    parser.add_argument("--development", action="store_true", help="interview the users for choosing settings")
    asked = parser.parse_args(arguments)
    data = demo_interactions()
    development, judges = choose_users(data)
    # Users for evaluation are left out of training while settings are chosen, and the draws differ.
    people, kept_out, first = (development, judges, 100) if asked.development else (judges, development[:0], 0)
    found = measure(data, people, kept_out, range(first, first + asked.draws))
    text, met = conclude(found)
    print(f"demo, {len(people)} users with {MIN_RATINGS} ratings or more, {asked.draws} draws")
    print(f"\n{render(found)}\n\n{text}")
    return 0 if met else 1

"""The store of exams: what goes in comes out, batches, pages, pruning and forgetting."""

from __future__ import annotations

import numpy as np
import pytest

from store.database import Database
from store.exams import MEANS, UNIT, Answer, Exam, ExamStore
from store.ratings import RatingStore
from store.records import MovieRow


@pytest.fixture
def exams(database: Database) -> ExamStore:
    ratings = RatingStore(database)
    ratings.add_movies([MovieRow(f"m{n}", f"Movie {n}", 2000, ()) for n in range(5)])
    ratings.add_users(["a", "b"])
    return ExamStore(database)


def exam(at: int, user: int = 0, version: int = 3, *, shadow: int | None = 4) -> Exam:
    others = [Answer(MEANS, 3.1, None, None)] + ([] if shadow is None else [Answer(shadow, 3.3, 2.0, 4.9)])
    return Exam(at, user, at % 5, 3.5, Answer(version, 3.21234, 1.5, 5.0), at, None, tuple(others))


def test_what_goes_in_comes_out(exams: ExamStore) -> None:
    assert exams.add([exam(1), exam(2, 1, shadow=None)]) == 2
    second, first = exams.page(3, 10)
    assert (first.user_id, first.movie_id, first.title, first.rating, first.rank) == ("a", "m1", "Movie 1", 3.5, 1)
    assert (first.predicted, first.low, first.high, first.means, first.served) == (3.2123, 1.5, 5.0, 3.1, True)
    assert second.user_id == "b"
    (shadow,) = exams.page(4, 10)
    assert (shadow.predicted, shadow.low, shadow.rank, shadow.served) == (3.3, 2.0, None, False)
    assert (exams.versions(), exams.count(), exams.last()) == ([4, 3], 2, 2)
    assert exams.add([]) == 0


def test_columns_and_pairs(exams: ExamStore) -> None:
    exams.add([exam(at) for at in range(1, 9)])
    exams.add([exam(9, version=4, shadow=None), Exam(10, 0, 0, 1.0, Answer(3, 2.0, None, None), None, shown=True)])
    served, shadow = exams.columns(3, 100), exams.columns(4, 100)
    assert served.at.tolist() == [*range(1, 9), 10]
    assert shadow.at.tolist() == list(range(1, 10))
    assert shadow.served.tolist() == [False] * 8 + [True]
    assert np.isnan([served.low[-1], served.places[-1], served.means[-1], served.shown[0]]).all()
    assert served.shown[-1] == 1
    assert served.predicted[0] == round(3.21234 * UNIT) / UNIT
    assert exams.columns(3, 100, since=5).at.tolist() == [5, 6, 7, 8, 10]
    assert exams.columns(3, 4).at.tolist() == [7, 8, 10]
    pairs = exams.pairs(4, 3, 100)
    assert (len(pairs.at), pairs.shadow[0], pairs.served[0]) == (8, 3.3, 3.2123)
    assert len(exams.pairs(3, 4, 100).at) == 0


def test_pages_lead_on(exams: ExamStore) -> None:
    exams.add([exam(at) for at in range(1, 8)])
    first = exams.page(3, 3)
    assert [one.exam_id for one in first] == [7, 6, 5]
    assert [one.exam_id for one in exams.page(3, 3, before=5)] == [4, 3, 2]


def test_old_exams_go_with_their_answers(exams: ExamStore, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.exams.PRUNED_AT_ONCE", 2)
    exams.add([exam(at) for at in range(1, 9)])
    while exams.prune(6):
        pass
    assert [one.at for one in exams.page(3, 10)] == [8, 7, 6]
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM exam_answers").scalar_one() == 6
    assert exams.last() == 8  # numbers are never given twice


def test_exams_of_deleted_users_are_not_added(exams: ExamStore, database: Database) -> None:
    exams.add([exam(1), exam(2, 1)])
    RatingStore(database).forget_user("a")
    assert exams.add([exam(3), exam(4, 1)]) == 1
    assert [(one.at, one.user_id) for one in exams.page(3, 10)] == [(4, "b"), (2, "b")]


def test_an_exam_takes_few_bytes(exams: ExamStore, database: Database) -> None:
    rng = np.random.default_rng(0)

    def used() -> int:
        with database.read() as connection:
            one, free, size = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((one - free) * size)

    def fill(others: tuple[Answer, ...]) -> float:
        before, many = used(), 20_000
        for start in range(0, many, 5000):
            at, served = 1_795_443_846 + start, Answer(7, 3.21, 1.5, 4.9)
            exams.add(
                [
                    Exam(at, int(rng.integers(2)), int(rng.integers(9000)), 3.5, served, 1200, True, others)
                    for _ in range(5000)
                ]
            )
        return (used() - before) / many

    plain = fill(())
    assert plain < 60
    assert fill((Answer(MEANS, 3.4, None, None), Answer(8, 3.1, 1.2, 4.8))) - plain < 45

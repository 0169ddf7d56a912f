"""Golden people are pinned, and hold back a version that does not give them what they must get."""

from __future__ import annotations

import time

import pytest

from engine.errors import InvalidInput, InvalidRating, UnknownGoldenPerson, UnknownMovie, UnknownUser
from engine.recommending.golden import Expectation, Kept, Listed, Predicted, Unlisted
from engine.runtime import Runtime
from tests.engine.services.conftest import QUICK, finished

NAME = "Lover of everything"


def first_of(runtime: Runtime, user_id: str, n: int = 10) -> list[str]:
    listed = runtime.services.recommendations.recommend(user_id, n)
    return [item.movie_id for item in listed.items]


def trained_with(runtime: Runtime, activate: str, **ranker: float) -> int:
    run = finished(runtime, runtime.services.training.train_model("svd", QUICK, activate, ranker=ranker or None))  # type: ignore[arg-type]
    assert run.version is not None
    return run.version


def test_pinned_people_are_kept_and_unpinned(trained: Runtime) -> None:
    golden = trained.services.golden
    real = golden.pin(NAME, [Listed(movie_id="m1"), Kept(at_least=6)], user_id="u1", actor="api")
    made = golden.pin("Lover of m2", [Predicted(movie_id="m3", rating=3.0)], ratings={"m2": 5.0})
    assert golden.people() == [real, made]
    assert (real.user_id, real.created_by, made.user_id, made.ratings) == ("u1", "api", None, {"m2": 5.0})
    title = trained.services.library.movie("m1").title
    assert real.told == (f"{title} in the first 20", "at least 6 of the first 10 movies stay")
    other = golden.expect(real.golden_id, [Unlisted(movie_id="m1", first=3)])
    assert golden.people() == [other, made]
    assert (other.name, other.user_id, other.told) == (NAME, "u1", (f"{title} not in the first 3",))
    with pytest.raises(InvalidInput, match="Add at least one expectation"):
        golden.expect(real.golden_id, [])
    with pytest.raises(UnknownMovie):
        golden.expect(real.golden_id, [Listed(movie_id="nothing")])
    assert golden.unpin(real.golden_id) == other
    assert golden.people() == [made]
    with pytest.raises(UnknownGoldenPerson):
        golden.unpin(real.golden_id)
    with pytest.raises(UnknownGoldenPerson):
        golden.expect(real.golden_id, [Kept(at_least=6)])


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"name": " "}, InvalidInput, "Enter a name"),
        ({"name": "a\x1b"}, InvalidInput, "1 to 100 printable characters"),
        ({"name": "Fan (u1)", "user_id": "u1"}, InvalidInput, "Choose one without the person's id"),
        ({"user_id": "nobody"}, UnknownUser, "Nobody has the id 'nobody'"),
        ({"user_id": "u1", "ratings": {"m1": 3.0}}, InvalidInput, "not both"),
        ({"ratings": {"nothing": 3.0}}, UnknownMovie, "no movie 'nothing'"),
        ({"ratings": {"m1": 9.0}}, InvalidRating, "9.0"),
        ({"expectations": []}, InvalidInput, "Add at least one expectation"),
        ({"expectations": [Listed(movie_id="nothing")]}, UnknownMovie, "no movie 'nothing'"),
        ({"expectations": [Kept(at_least=11, first=10)]}, InvalidInput, "at_least is 11"),
        ({"expectations": [Predicted(movie_id="m1", rating=9.0)]}, InvalidRating, "9.0"),
    ],
)
def test_what_can_not_be_pinned_is_refused(
    trained: Runtime, given: dict[str, object], error: type[Exception], told: str
) -> None:
    expectations: list[Expectation] = [Listed(movie_id="m1")]
    values: dict[str, object] = {"name": NAME, "expectations": expectations} | given
    with pytest.raises(error, match=told.replace("(", r"\(")):
        trained.services.golden.pin(**values)  # type: ignore[arg-type]
    assert trained.services.golden.people() == []


def test_a_name_is_pinned_once(trained: Runtime) -> None:
    golden = trained.services.golden
    golden.pin(NAME, [Kept(at_least=1)], user_id="u1")
    with pytest.raises(InvalidInput, match="is pinned already"):
        golden.pin(NAME, [Kept(at_least=1)], user_id="u2")


def test_each_expectation_says_what_it_found(trained: Runtime) -> None:
    golden, versions = trained.services.golden, trained.services.versions
    listed = first_of(trained, "u1")
    (rated, *_) = trained.services.library.user_ratings("u1")
    expectations: list[Expectation] = [
        Listed(movie_id=listed[0], first=1),
        Listed(movie_id=listed[4], first=4),
        Unlisted(movie_id=listed[0], first=5),
        Unlisted(movie_id=listed[4], first=4),
        Listed(movie_id=rated.movie.movie_id),
        Unlisted(movie_id=rated.movie.movie_id),
        Kept(at_least=10, first=10),
        Predicted(movie_id=listed[0], side="above", rating=0.5),
        Predicted(movie_id=listed[0], side="below", rating=0.5),
    ]
    golden.pin(NAME, expectations, user_id="u1")
    (found,) = golden.check(versions.bundle(1))
    assert [one.holds for one in found.findings] == [True, False, False, True, False, True, True, True, False]
    assert [one.found for one in found.findings[:5]] == [
        "it is number 1",
        "it is number 5",
        "it is number 1",
        "it is number 5",
        "they have rated it, so it is not listed",
    ]
    assert found.findings[6].found == "10 of 10 stay"
    assert len(found.broken) == 4


def test_somebody_made_up_gets_the_list_of_their_ratings(trained: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same list as somebody who rates the same movies by hand, in one second: recent ratings count more."""
    services = trained.services
    now = time.time()
    monkeypatch.setattr(services.ratings, "_clock", lambda: now)
    for movie in ("m1", "m2", "m3"):
        services.ratings.rate("somebody new", movie, 5.0)
    listed = first_of(trained, "somebody new", 20)
    expectations = [Listed(movie_id=movie, first=place) for place, movie in enumerate(listed, 1)]
    services.golden.pin(NAME, expectations, ratings={"m1": 5.0, "m2": 5.0, "m3": 5.0})
    (found,) = services.golden.check(services.versions.bundle(1))
    assert found.broken == []


def test_a_broken_expectation_holds_a_version_that_would_serve(trained: Runtime) -> None:
    services = trained.services
    first = first_of(trained, "u1")[0]
    services.golden.pin("Hater of the first movie", [Unlisted(movie_id=first, first=10)], user_id="u1")
    for movie in ("m1", "m2", "m3", "m4", "m5"):  # newer ratings, so that a version of them may serve
        services.ratings.rate("u60", movie, 4.0)
    run = finished(trained, services.training.train_model("svd", QUICK, "if_no_worse"))
    assert run.version is not None
    assert services.serving.active_version() == 1
    assert run.judgement is not None
    assert run.judgement.verdict != "PROMOTE"
    assert "Golden people do not get what they must: Hater of the first movie:" in (run.verdict or "")
    assert [one.name for one in run.golden if one.broken] == ["Hater of the first movie"]
    assert services.versions.golden(run.version) == run.golden
    services.golden.unpin(services.golden.people()[0].golden_id)
    other = finished(trained, services.training.train_model("svd", QUICK, "if_no_worse"))
    assert services.serving.active_version() == other.version
    assert other.golden == ()


def test_always_activates_whatever_golden_people_expect(trained: Runtime) -> None:
    services = trained.services
    services.golden.pin("Picky", [Unlisted(movie_id=first_of(trained, "u1")[0], first=50)], user_id="u1")
    version = trained_with(trained, "always")
    assert services.serving.active_version() == version


def test_lists_that_must_stay_hold_a_version_with_others(trained: Runtime) -> None:
    services = trained.services
    services.golden.pin("Creature of habit", [Kept(at_least=10, first=10)], user_id="u1")
    same = trained_with(trained, "never")
    other = trained_with(trained, "never", l2=5000.0, popularity_discount=0.4)
    assert [one.broken for one in services.versions.golden(same)] == [[]]
    (changed,) = services.versions.golden(other)
    assert len(changed.broken) == 1


def test_deleting_a_user_unpins_them_and_leaves_no_id(trained: Runtime) -> None:
    services = trained.services
    services.golden.pin("Somebody real", [Kept(at_least=1)], user_id="u1")
    services.golden.pin("Somebody made up", [Kept(at_least=1)], ratings={"m1": 4.0})
    version = trained_with(trained, "never")
    services.ratings.forget("u1")
    assert [one.name for one in services.golden.people()] == ["Somebody made up"]
    results = services.versions.golden(version)
    assert [one.name for one in results] == ["Somebody real", "Somebody made up"]
    assert "u1" not in repr(results)


def test_movies_that_are_gone_break_what_needs_them(trained: Runtime) -> None:
    services = trained.services
    listed = first_of(trained, "u1")[0]
    services.golden.pin(NAME, [Listed(movie_id=listed), Unlisted(movie_id=listed)], user_id="u1")
    trained.database.write(
        lambda tx: tx.exec_driver_sql(
            "UPDATE golden_people SET expectations = replace(expectations, ?, 'gone')", (listed,)
        )
    )
    (found,) = services.golden.check(services.versions.bundle(1))
    assert [(one.found, one.holds) for one in found.findings] == [
        ("the catalogue has no such movie", False),
        ("the catalogue has no such movie", True),
    ]

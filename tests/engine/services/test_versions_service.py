"""Versions as a person handles them: compared, listed side by side, described, deleted, exported and imported."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from sqlalchemy import Connection

from engine.errors import InvalidInput, UnknownVersion, VersionUnavailable
from engine.evaluation.differences import MetricDifference
from engine.runtime import Runtime, build
from engine.services.versions import tell_differences
from engine.settings import Settings
from store.database import Database
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, fill, finished
from tests.engine.services.test_version_files import exported
from tests.store.test_versions import flip_a_byte


def test_the_better_of_two_versions_is_called_so(two: Runtime) -> None:
    versions = two.services.versions
    (found,) = versions.compare([1, 2])
    assert (found.version, found.baseline) == (2, 1)
    assert found.differences["rmse"].verdict == "better"
    assert found.differences["rmse"].users == 60
    better, _, where = found.text.partition(", against version 1 ")
    assert better.startswith("Version 2 is better in ")
    assert "RMSE" in better
    assert where == "on the same held-out ratings of 57 to 60 people."
    (turned,) = versions.compare([1, 2], baseline=2)
    assert (turned.version, turned.differences["rmse"].verdict) == (1, "worse")
    metrics = versions.get(2).metrics["rmse"]
    assert found.differences["rmse"].value == pytest.approx(metrics.value)


def test_after_new_ratings_lists_are_compared_of_users_without_any(two: Runtime) -> None:
    services = two.services
    for user in range(10):
        unseen = services.recommendations.recommend(f"u{user}", 1).items[0].movie_id
        services.ratings.rate(f"u{user}", unseen, 4.0)
    run = finished(two, two.services.training.train_model("svd", QUICK, "never"))
    (found,) = two.services.versions.compare([1, run.version or 0])
    assert found.differences["ndcg_at_k"].users <= 50 < found.differences["rmse"].users == 60
    (alone,) = two.services.versions.compare([2], baseline=1)
    assert alone.differences["ndcg_at_k"].users > 50


def test_serving_against_the_verdict_takes_a_reason_which_the_ledger_keeps(two: Runtime) -> None:
    versions, training = two.services.versions, two.services.training
    versions.activate(2, reason="It is better.")
    number = finished(two, training.train_model("svd", QUICK)).version or 0
    before = versions.ledger()
    assert versions.get(number).verdict == "REJECT"
    for nothing in ("", "  "):
        with pytest.raises(InvalidInput, match="Version 3 was rejected") as refused:
            versions.activate(number, reason=nothing)
    assert refused.value.field == "reason"
    assert versions.ledger() == before
    versions.activate(number, actor="Ada", reason="Only for a trial.")
    assert (versions.ledger()[0].version, versions.ledger()[0].reason) == (number, "Only for a trial.")
    assert two.services.inbox.notices()[0].text == "Ada activated version 3 against its verdict: Only for a trial."
    assert versions.served_before() == 2
    assert versions.rollback(reason="The trial is over.") == 2
    told = "Version 2 serves again: you rolled back from version 3: The trial is over."
    assert two.services.inbox.notices()[0].text == told
    assert versions.ledger()[0].reason == "Rolled back from version 3: The trial is over."
    assert versions.served_before() == number
    versions.activate(number)  # it has served: whoever let it had a reason


def test_who_kept_the_choice_needs_no_reason(two: Runtime) -> None:
    versions, training = two.services.versions, two.services.training
    versions.activate(2, reason="It is better.")
    number = finished(two, training.train_model("svd", QUICK, "never")).version or 0
    judgement = versions.judgement(number)
    assert judgement is not None
    assert judgement.verdict == "REJECT"
    versions.activate(number)
    assert versions.ledger()[0].reason == "Activated by hand. No reason was given."


def test_what_can_not_be_compared_says_why(two: Runtime) -> None:
    versions = two.services.versions
    versions.delete(2)
    (found,) = versions.compare([1, 2])
    assert (found.differences, found.text) == ({}, "Version 2 was deleted.")
    with pytest.raises(UnknownVersion):
        versions.compare([1, 9])
    for few in ([], [1], [1, 1]):
        with pytest.raises(InvalidInput, match="two versions"):
            versions.compare(few)


def test_a_verdict_names_what_is_better_and_what_is_worse() -> None:
    same = MetricDifference(0.9, 0.9, 0.0, -0.1, 0.1, 1.0, 40, "no difference shown")
    better, worse = replace(same, verdict="better"), replace(same, verdict="worse")
    told = tell_differences(4, 3, {"mae": better, "rmse": better, "ndcg_at_k": worse, "mrr": same})
    assert told.startswith("Version 4 is better in RMSE, MAE and worse in NDCG, against version 3")
    assert "no difference is shown in any metric" in tell_differences(4, 3, {"rmse": same})


def test_lists_side_by_side_say_what_entered_left_and_moved(two: Runtime) -> None:
    services, versions = two.services, two.services.versions
    first, same = versions.lists("u1", [1, 2], 5)
    served = [item.movie_id for item in services.recommendations.recommend("u1", 5).items]
    assert [item.movie.movie_id for item in first.items] == served
    assert len(first.items) == len(same.items) == 5
    assert all(item.change == 0 for item in first.items)
    assert first.left == ()
    ranks = {item.movie.movie_id: item.rank for item in first.items}
    for item in same.items:
        before = ranks.get(item.movie.movie_id)
        assert item.change == (None if before is None else before - item.rank)
    assert {movie.movie_id for movie in same.left} == set(ranks) - {item.movie.movie_id for item in same.items}
    (anyone,) = versions.lists("nobody", [1], 3)
    assert len(anyone.items) == 3


def test_a_list_knows_what_was_rated_since(two: Runtime) -> None:
    services, versions = two.services, two.services.versions
    first = versions.lists("u1", [2], 5)[0].items[0].movie.movie_id
    services.ratings.rate("u1", first, 1.0)
    assert first not in [item.movie.movie_id for item in versions.lists("u1", [2], 50)[0].items]


def test_lists_of_what_is_gone_are_refused(two: Runtime) -> None:
    versions = two.services.versions
    flip_a_byte(two.database, 2, "ranker/weights")
    with pytest.raises(VersionUnavailable, match="damaged"):
        versions.lists("u1", [1, 2])
    assert versions.get(2).state == "damaged"
    versions.delete(2)
    with pytest.raises(VersionUnavailable, match="deleted"):
        versions.lists("u1", [2])
    with pytest.raises(UnknownVersion):
        versions.lists("u1", [9])


def test_a_flipped_byte_in_any_stored_array_is_found_on_load_and_an_intact_version_serves(two: Runtime) -> None:
    """Every array in turn: marked damaged, with a notice, and version 1 serves."""
    versions, whole = two.services.versions, exported(two, {}).getvalue()
    arrays = MLModelManager(two.database).load_model(1).arrays
    names = [name for name, array in arrays.items() if array.nbytes >= 6]
    assert {name.split("/")[0] for name in names} >= {"rating", "ranker", "popularity", "calibration", "report"}
    for name in names:
        number = two.services.version_files.import_file(BytesIO(whole))
        versions.activate(number)
        assert two.services.serving.active_version() == number
        flip_a_byte(two.database, number, name)
        two.services.serving.load_active()
        assert versions.get(number).state == "damaged", name
        assert two.services.serving.active_version() != number
        assert len(two.services.recommendations.recommend("u1").items) == 10
        assert f"Version {number} is damaged" in " ".join(notice.text for notice in two.services.inbox.notices(5))


@pytest.mark.parametrize("ask", ["export", "lists", "compare"])
def test_damage_of_the_serving_version_that_is_found_on_the_way_lets_another_serve(two: Runtime, ask: str) -> None:
    versions = two.services.versions
    flip_a_byte(two.database, 1, "report/users")
    if ask == "compare":
        (found,) = versions.compare([1, 2])
        assert "Version 1 is damaged" in found.text
    else:
        with pytest.raises(VersionUnavailable, match="damaged"):
            two.services.version_files.export(1) if ask == "export" else versions.lists("u1", [1])
    assert two.services.serving.active_version() == 2
    assert two.services.recommendations.recommend("u1").model_version == 2


def test_notes_and_tags(two: Runtime) -> None:
    versions = two.services.versions
    described = versions.describe(2, note="a weak one", tags=["weak ", "keep"])
    assert (described.note, described.tags) == ("a weak one", ("weak", "keep"))
    assert versions.describe(2, tags=[]).note == "a weak one"
    for tags in ([""], ["x" * 51], ["x"] * 21):
        with pytest.raises(InvalidInput) as refused:
            versions.describe(2, tags=tags)
        assert refused.value.field == "tags"
    with pytest.raises(InvalidInput) as refused:
        versions.describe(2, note="x" * 2001)
    assert refused.value.field == "note"
    with pytest.raises(UnknownVersion):
        versions.describe(9, note="")


def test_the_serving_version_is_not_deleted_and_others_say_who_did_it(two: Runtime) -> None:
    versions = two.services.versions
    with pytest.raises(VersionUnavailable, match="is active"):
        versions.delete(1)
    deleted = versions.delete(2, actor="ann", reason="weak")
    assert (deleted.state, deleted.size_bytes) == ("deleted", 0)
    assert two.services.inbox.notices()[0].text == "Version 2 was deleted by ann: weak"
    versions.delete(2)
    assert [version.version for version in versions.history()] == [1, 2]


UNREADABLE = {
    "metrics": '{"rmse": "x", "mae": {"value": 1, "low": 1, "high": 1}}',
    "segments": '{"new_users": 1, "tail_movies": {"rmse": [1]}}',
    "protocol": '"as always"',
    "config": '{"model": ["x"]}',
    "data": '{"users": "60", "revision": 1}',
    "tags": '["kept", 7]',
    "charts": '{"ranking": [{"x": 1}], "newcomers": 3}',
}


@pytest.mark.parametrize("column", UNREADABLE)
def test_a_stored_description_that_can_not_be_read_hides_no_version(two: Runtime, column: str) -> None:
    """Earlier releases took such descriptions in from files."""

    def spoil(connection: Connection) -> None:
        connection.exec_driver_sql(f"UPDATE model_versions SET {column} = ? WHERE version = 2", (UNREADABLE[column],))

    two.database.write(spoil)
    versions = two.services.versions
    assert [version.version for version in versions.list()] == [2, 1]
    found = versions.get(2)
    assert versions.get(1).metrics["rmse"].value > 0
    if column == "metrics":
        assert list(found.metrics) == ["mae"]
    if column == "tags":
        assert found.tags == ("kept",)
    if column == "data":
        assert (found.users, found.ratings, found.data_fingerprint) == (0, 0, "")
    assert [version.version for version in versions.history()] == [1, 2]
    assert versions.compare([1, 2])
    assert versions.describe(2, note="odd").note == "odd"
    run = finished(two, two.services.training.retrain(2, "never"))
    assert (run.state, run.version) == ("succeeded", 3)
    assert versions.delete(2).state == "deleted"


def test_retention_follows_the_settings(settings: Settings) -> None:
    runtime = build(settings.model_copy(update={"keep_versions": 1}))
    runtime.start()
    try:
        fill(runtime)
        for n in range(4):
            weak = {"epochs": 1, "factors": 2, "seed": n}
            finished(runtime, runtime.services.training.train_model("svd", weak if n else QUICK, "never"))
        states = {version.version: version.state for version in runtime.services.versions.list()}
        best = {MLModelManager(runtime.database).get_best_model(name).version for name in ("rmse", "ndcg_at_k")}
        assert {number for number, state in states.items() if state == "ready"} == best | {4}
        assert "MARQUEE_KEEP_VERSIONS" in " ".join(notice.text for notice in runtime.services.inbox.notices())
    finally:
        runtime.stop()


def test_the_store_of_a_fixture_is_closed_and_sound(two: Runtime, settings: Settings) -> None:
    two.stop()
    database = Database.open(settings.database_url)
    assert database.check() == []
    database.close()

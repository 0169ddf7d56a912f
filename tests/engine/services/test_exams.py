"""New ratings are exams: predicted from the state before them, by the version that serves, shadows and means."""

from __future__ import annotations

import io

import numpy as np
import pytest

from engine.data.plan import ImportOptions
from engine.errors import UnknownVersion
from engine.runtime import Runtime
from engine.services import shadows
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store.exams import ExamStore
from tests.engine.services.conftest import LONGER, QUICK, finished, opened, trained_store, wait_for


def stored(runtime: Runtime) -> ExamStore:
    """The exams, after all that waits was worked on."""
    runtime.services.exams.settle()
    return ExamStore(runtime.database)


def unrated(runtime: Runtime, user: str, n: int = 3) -> list[str]:
    """The first movies of a user's list."""
    return [item.movie_id for item in runtime.services.recommendations.recommend(user, n=n).items]


def expected(runtime: Runtime, user: str, movie: str) -> float:
    (found,) = runtime.services.recommendations.predict([(user, movie)]).predictions
    return float(found.predicted_rating)


def test_a_new_rating_is_an_exam_of_what_was_predicted_just_before(trained: Runtime) -> None:
    stored(trained)
    *_, last = unrated(trained, "u1", 5)
    before = expected(trained, "u1", last)
    trained.services.ratings.rate("u1", last, 0.5)
    (exam,) = stored(trained).page(1, 10)
    assert (exam.user_id, exam.movie_id, exam.rating, exam.rank, exam.served) == ("u1", last, 0.5, 5, True)
    assert exam.predicted == pytest.approx(before, abs=1e-4)
    assert exam.low <= exam.predicted <= exam.high
    assert exam.means is not None
    assert abs(exam.means - before) < 2
    assert expected(trained, "u1", last) != pytest.approx(before, abs=1e-3)  # learned by now


def test_changes_repetitions_removals_and_imports_are_no_exams(trained: Runtime) -> None:
    movie = unrated(trained, "u1")[0]
    rate = trained.services.ratings.rate
    rate("u1", movie, 4)
    rate("u1", movie, 4)
    rate("u1", movie, 2)
    trained.services.ratings.unrate("u1", movie)
    assert stored(trained).count() == 1


def test_a_rating_given_again_is_no_exam_of_versions_that_may_have_learned_it(trained: Runtime) -> None:
    listed = unrated(trained, "u1", 80)
    known = next(f"m{n}" for n in range(80) if f"m{n}" not in listed)
    for _ in range(2):
        trained.services.ratings.unrate("u1", known)
        trained.services.ratings.rate("u1", known, 5)
    assert stored(trained).count() == 0
    trained.services.ratings.unrate("u1", known)
    status = finished(trained, trained.services.training.train_model("svd", QUICK, "always"))  # has not learned it
    assert status.version == 2, status.error
    trained.services.ratings.rate("u1", known, 5)
    assert [one.movie_id for one in stored(trained).page(2, 10)] == [known]


def test_after_an_import_is_undone_versions_that_learned_it_take_no_exams(trained: Runtime) -> None:
    movie = unrated(trained, "u1")[0]
    content = f"user_id,movie_id,rating,timestamp\nu1,{movie},5,1795443846\n".encode()
    imports = trained.services.imports
    job = imports.import_files([UploadedFile("more.csv", io.BytesIO(content))], ImportOptions(scale=[0.5, 5.0]))
    wait_for(lambda: imports.job(job).state.is_finished)
    assert imports.job(job).state == "succeeded", imports.job(job)
    status = finished(trained, trained.services.training.train_model("svd", QUICK, "always"))
    assert status.version == 2, status.error
    assert trained.services.exams.settle() is None
    assert stored(trained).count() == 0  # imports are no exams
    undone = imports.undo(imports.batches()[0].import_id)
    wait_for(lambda: imports.job(undone).state.is_finished)
    trained.services.ratings.rate("u1", movie, 5)
    assert stored(trained).count() == 0
    assert finished(trained, trained.services.training.train_model("svd", QUICK, "always")).version == 3
    trained.services.ratings.rate("u1", unrated(trained, "u1")[0], 5)
    assert stored(trained).count() == 1


def test_shadows_predict_as_they_would_if_they_served(two: Runtime) -> None:
    ratings, movies = two.services.ratings, unrated(two, "u1", 6)
    stored(two)
    assert two.services.exams.facts().shadows == (2,)
    for movie, rating in zip(movies, (5, 0.5, 4, 1, 5, 0.5), strict=True):
        ratings.rate("u1", movie, rating)
    found = {one.movie_id: one for one in stored(two).page(2, 10)}
    assert not any(one.served for one in found.values())
    for movie in movies:
        ratings.unrate("u1", movie)
    two.services.versions.activate(2, reason="test")
    for movie, rating in zip(movies, (5, 0.5, 4, 1, 5, 0.5), strict=True):
        assert found[movie].predicted == pytest.approx(expected(two, "u1", movie), abs=2e-4)
        ratings.rate("u1", movie, rating)


def test_two_ratings_in_quick_succession_while_the_queue_lags(two: Runtime) -> None:
    """The worker sees both at once; neither prediction may know its own answer, and the second knows the first."""
    first, second = unrated(two, "u1", 2)
    stored(two)
    plain = expected(two, "u1", second)
    with two.services.exams._working:  # the worker waits
        two.services.ratings.rate("u1", first, 0.5)
        knowing = expected(two, "u1", second)
        two.services.ratings.rate("u1", second, 0.5)
        two.services.ratings.rate("u1", second, 5)
    served = {one.movie_id: one for one in stored(two).page(1, 10)}
    assert served[second].predicted == pytest.approx(knowing, abs=1e-4)
    assert knowing != pytest.approx(plain, abs=1e-3)
    assert len(served) == 2


def test_a_shadow_takes_no_exam_of_a_rating_that_it_may_have_learned(
    trained: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rating waits while a version is trained that learns it: the version is a shadow before the exam is held."""
    monkeypatch.setattr(shadows, "LOOK_S", 0.0)  # else a quick training is not noticed in time
    movie = unrated(trained, "u1")[0]
    stored(trained)
    with trained.services.exams._working:
        trained.services.ratings.rate("u1", movie, 0.5)
        status = finished(trained, trained.services.training.train_model("svd", LONGER, "never"))
        assert status.version == 2, status.error
    exams = stored(trained)
    assert trained.services.exams.facts().shadows == (2,)
    assert [one.movie_id for one in exams.page(1, 10)] == [movie]
    assert exams.page(2, 10) == []
    assert exams.page(1, 1)[0].means is None  # they were read with it, too
    other = unrated(trained, "u1")[0]
    trained.services.ratings.rate("u1", other, 0.5)
    assert [one.movie_id for one in stored(trained).page(2, 10)] == [other]


def test_a_rating_during_an_activation_is_an_exam_of_the_version_that_served(
    two: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie, other = unrated(two, "u1", 2)
    serving, before = two.services.serving, expected(two, "u1", movie)
    warm = serving._warm
    monkeypatch.setattr(serving, "_warm", lambda state: (warm(state), two.services.ratings.rate("u1", movie, 0.5)))
    two.services.versions.activate(2, reason="test")
    monkeypatch.setattr(serving, "_warm", warm)
    knowing = expected(two, "u1", other)
    two.services.ratings.rate("u1", other, 5)
    exams = stored(two)
    (first,) = [one for one in exams.page(1, 10) if one.served]
    assert (first.movie_id, first.predicted) == (movie, pytest.approx(before, abs=1e-4))
    (second,) = [one for one in exams.page(2, 10) if one.served]
    assert (second.movie_id, second.predicted) == (other, pytest.approx(knowing, abs=1e-4))


def test_full_queues_drop_exams_and_count_them_but_shadows_learn_all(
    two: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.services.exams._room", lambda _: 1)
    first, second, third = unrated(two, "u1", 3)
    stored(two)
    with two.services.exams._working:
        two.services.ratings.rate("u1", first, 0.5)
        two.services.ratings.rate("u1", second, 0.5)
    exams = stored(two)
    assert (exams.count(), two.services.exams.facts().dropped) == (1, 1)
    two.services.ratings.rate("u1", third, 0.5)
    shadow = {one.movie_id: one.predicted for one in stored(two).page(2, 10)}
    two.services.ratings.unrate("u1", third)
    two.services.versions.activate(2, reason="test")
    assert shadow[third] == pytest.approx(expected(two, "u1", third), abs=2e-4)


def test_missed_changes_are_read_again(two: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.services.exams.MAX_WAITING", 1)
    first, second, third = unrated(two, "u1", 3)
    stored(two)
    with two.services.exams._working:
        two.services.ratings.rate("u1", first, 0.5)
        two.services.ratings.rate("u1", second, 0.5)
    assert two.services.exams.facts().dropped == 1
    stored(two)
    two.services.ratings.rate("u1", third, 0.5)
    shadow = {one.movie_id: one.predicted for one in stored(two).page(2, 10)}
    two.services.ratings.unrate("u1", third)
    two.services.versions.activate(2, reason="test")
    assert shadow[third] == pytest.approx(expected(two, "u1", third), abs=2e-4)


def test_forgetting_a_person_deletes_their_exams_also_those_that_wait(two: Runtime) -> None:
    first, second = unrated(two, "u1", 2)
    stored(two)
    two.services.ratings.rate("u1", first, 0.5)
    two.services.ratings.rate("u2", unrated(two, "u2")[0], 0.5)
    assert stored(two).count() == 2
    two.services.ratings.rate("u1", second, 0.5)
    two.services.ratings.forget("u1")
    exams = stored(two)
    assert [one.user_id for one in exams.page(1, 10)] == ["u2"]
    with two.database.read() as connection:
        answers = connection.exec_driver_sql("SELECT DISTINCT exam_id FROM exam_answers").scalars().all()
    assert answers == [one.exam_id for one in exams.page(1, 10)]


def test_too_large_shadows_wait(settings: Settings, two: Runtime) -> None:
    two.stop()
    with opened(settings.model_copy(update={"shadow_memory": 0})) as runtime:
        stored(runtime)
        assert (runtime.services.exams.facts().shadows, runtime.services.exams.facts().too_large) == ((), (2,))


def test_without_shadows_there_are_none(settings: Settings, two: Runtime) -> None:
    two.stop()
    with opened(settings.model_copy(update={"shadows": 0})) as runtime:
        stored(runtime)
        assert runtime.services.exams.facts().shadows == ()


def test_the_worker_holds_exams_by_itself(trained: Runtime) -> None:
    trained.services.ratings.rate("u1", unrated(trained, "u1")[0], 0.5)
    wait_for(lambda: trained.services.exams.facts().taken == 1)
    assert ExamStore(trained.database).count() == 1


def test_the_place_is_that_of_the_whole_list(trained: Runtime) -> None:
    everything = unrated(trained, "u3", 80)
    for place in (len(everything), 30):
        movie = everything[place - 1]
        trained.services.ratings.rate("u3", movie, 3)
        assert stored(trained).page(1, 1)[0].rank == place
        trained.services.ratings.unrate("u3", movie)


def test_a_live_error_above_the_evaluation_is_noticed_once(two: Runtime) -> None:
    """Ratings are given against all expectations."""
    stored(two)
    services, rng = two.services, np.random.default_rng(0)
    offline = services.versions.get(1).metrics["rmse"].value
    for user in range(40):
        for movie in unrated(two, f"u{user}", 4):
            worst = 0.5 if expected(two, f"u{user}", movie) > 2.75 else 5.0
            services.ratings.rate(f"u{user}", movie, worst if rng.random() < 0.9 else 3.0)
    stored(two)
    services.live._look_after = 0.0
    for _ in range(2):
        services.live.look()
        services.live._look_after = 0.0
    (notice,) = [one for one in services.inbox.notices(50) if "promised" in one.text]
    assert (notice.level, notice.topic) == ("warning", "live")
    assert f"{offline:.3f} on those held out" in notice.text
    report = services.live.report()
    shadow, served = report.versions
    assert (served.version, served.role, served.exams, served.dipped) == (1, "serves", 160, True)
    assert (shadow.version, shadow.role, shadow.exams) == (2, "shadow", 160)
    assert served.offline["rmse"].value == offline
    assert served.metrics["rmse"].low > offline
    assert {"rmse", "mae"} == set(served.means)
    (compared,) = report.comparisons
    assert (compared.version, compared.baseline, compared.exams) == (2, 1, 160)
    assert services.live.report(days=1).versions[1].metrics["rmse"].low is None
    assert services.live.report(days=1).versions[1].exams == 160


def test_exams_of_unknown_versions_are_refused(trained: Runtime) -> None:
    assert trained.services.live.exams(None) == []
    with pytest.raises(UnknownVersion, match="no version 9"):
        trained.services.live.exams(9)


def test_before_the_first_version_there_is_an_empty_report(runtime: Runtime) -> None:
    report = runtime.services.live.report()
    assert (report.active_version, report.versions, report.exams) == (None, (), 0)
    with pytest.raises(UnknownVersion, match="Import ratings"):
        runtime.services.live.exams(None)


def test_an_exam_says_whether_the_movie_had_been_shown(trained: Runtime) -> None:
    services = trained.services
    shown = services.recommendations.recommend("u1", 12).items
    others = [movie for movie in unrated(trained, "u1", 80) if movie not in {one.movie_id for one in shown}]
    for movie in (shown[9].movie_id, shown[10].movie_id, others[0]):
        services.ratings.rate("u1", movie, 5.0)
    services.answers.flush()
    services.ratings.rate("u1", shown[0].movie_id, 5.0)
    rated = {one.movie.movie_id for one in services.library.user_ratings("u2")}
    new = next(one.movie_id for one in shown[1:9] if one.movie_id not in rated)
    services.ratings.rate("u2", new, 5.0)  # who was shown nothing
    assert stored(trained).columns(1, 10).shown.tolist() == [1, 0, 0, 1, 0]


def test_where_the_answer_log_is_off_nobody_knows_what_was_shown(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with opened(settings.model_copy(update={"answer_log_mb": 0}), trained_store(tmp_path_factory)) as runtime:
        listed = runtime.services.recommendations.recommend("u1").items
        runtime.services.ratings.rate("u1", listed[0].movie_id, 5.0)
        assert np.isnan(stored(runtime).columns(1, 10).shown).all()

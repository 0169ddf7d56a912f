"""Sentences in examples are those of the product: each is compared with one that a real Marquee says."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pysqlite3.dbapi2 as sqlite
import pytest
from numpy.typing import NDArray

from engine import errors
from engine.data.plan import ImportOptions
from engine.evaluation.report import UserErrors
from engine.runtime import Runtime
from engine.services.storing import in_words
from engine.services.uploads import UploadedFile
from engine.training.tuning import FoldResult, Measured, weigh
from sidecar.docs import instances
from sidecar.docs.problem_examples import ENGINE_ERRORS
from tests.engine.services.conftest import QUICK, finished, opened, store_in, trained_store, wait_for


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("texts")
    with opened(store_in(folder), trained_store(tmp_path_factory)) as built:
        yield built


def shape(text: str) -> str:
    """The text without its numbers and names."""
    text = re.sub(r"'[^' ]+'|\S+\.db\b", "NAME", text)
    text = re.sub(r"[+-]?\d[\d,]*(\.\d+)?(e-?\d+)?", "N", text)
    return re.sub(r"N(, N)+", "N", text)


def example_of(cls: type[errors.MarqueeError]) -> str:
    (text,) = [str(error) for error in ENGINE_ERRORS if type(error) is cls]
    return text


RAISES: dict[type[errors.MarqueeError], Callable[[Runtime], object]] = {
    errors.InvalidRating: lambda found: found.services.ratings.rate("u1", "m1", 9.0),
    errors.UnknownUser: lambda found: found.services.ratings.forget("nobody"),
    errors.UnknownMovie: lambda found: found.services.recommendations.explain("u1", "nothing"),
    errors.UnknownVersion: lambda found: found.services.versions.get(9),
    errors.UnknownRun: lambda found: found.services.training.status(99),
    errors.UnknownStudy: lambda found: found.services.tuning.status(99),
    errors.UnknownJob: lambda found: found.services.imports.job(99),
    errors.UnknownImport: lambda found: found.services.imports.undo(99),
    errors.UnknownAnswer: lambda found: found.services.replays.replay(99),
    errors.UnknownBackup: lambda found: found.services.storage.path_of("x.db"),
    errors.UnknownGoldenPerson: lambda found: found.services.golden.unpin(99),
    errors.UnknownKey: lambda found: found.services.access.revoke(99),
    errors.Conflict: lambda found: found.services.access.create("shop", ["read"]),
    errors.VersionUnavailable: lambda found: found.services.versions.delete(1, actor="api"),
}


@pytest.mark.parametrize("cls", RAISES, ids=lambda cls: cls.__name__)
def test_an_error_says_what_its_example_says(runtime: Runtime, cls: type[errors.MarqueeError]) -> None:
    with pytest.raises(cls) as raised:
        RAISES[cls](runtime)
    assert shape(str(raised.value)) == shape(example_of(cls))


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        (errors.StoreLocked, sqlite.SQLITE_BUSY),
        (errors.StoreNotWritable, sqlite.SQLITE_READONLY),
        (errors.StoreFailing, sqlite.SQLITE_IOERR),
        (errors.StoreDamaged, sqlite.SQLITE_CORRUPT),
        (errors.DiskFull, sqlite.SQLITE_FULL),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_error_of_the_store_says_what_its_example_says(cls: type[errors.MarqueeError], code: int) -> None:
    error = sqlite.OperationalError("failed")
    error.sqlite_errorcode = code
    assert str(in_words(error)) == example_of(cls)


def test_before_the_first_ratings_the_example_of_not_ready_is_true(tmp_path: Path) -> None:
    with opened(store_in(tmp_path)) as empty, pytest.raises(errors.NotReady) as raised:
        empty.services.recommendations.recommend("1", 5)
    assert str(raised.value) == example_of(errors.NotReady)


def test_a_job_and_its_rejected_row_say_what_their_example_says(runtime: Runtime) -> None:
    rows = b"userId,movieId,rating\nu1,m1,4\nu1,m2,9\n"
    imports = runtime.services.imports
    job_id = imports.import_files([UploadedFile("ratings.csv", io.BytesIO(rows))], ImportOptions(scale=[0.5, 5]))
    wait_for(lambda: imports.job(job_id).ended_at is not None)
    job = imports.job(job_id)
    assert job.result is not None
    assert instances.JOB.result is not None
    assert shape(job.message) == shape(instances.JOB.message)
    assert job.result.rejected[0].reason == instances.JOB.result.rejected[0].reason


def test_a_question_says_what_its_example_says(runtime: Runtime) -> None:
    rows = b"user,movie,score\nq1,m1,2\nq1,m2,7\nq1,m3,10\n"
    imports = runtime.services.imports
    job_id = imports.import_files([UploadedFile("scores.csv", io.BytesIO(rows))])
    wait_for(lambda: imports.job(job_id).state != "running" and imports.job(job_id).plan is not None)
    job = imports.job(job_id)
    imports.cancel_job(job_id)
    assert (job.state, job.message, job.questions) == ("waiting", "Reading scores.csv", instances.WAITING.questions)
    assert job.plan is not None
    assert instances.WAITING.plan is not None
    (found,), (shown,) = job.plan.files, instances.WAITING.plan.files
    assert found == shown.model_copy(update={"why": found.why})


def test_what_is_unknown_about_a_prediction(runtime: Runtime) -> None:
    (found,) = runtime.services.recommendations.predict([("u1", "nothing")]).predictions
    assert found.fallback == instances.PREDICTIONS.predictions[1].fallback


def test_what_deleting_a_user_says(runtime: Runtime) -> None:
    finished(runtime, runtime.services.training.train_model("svd", QUICK, "always"))
    assert shape(runtime.services.ratings.forget("u5").text) == shape(instances.DELETED_USER.text)


def test_what_a_run_cancelled_in_the_queue_says(runtime: Runtime) -> None:
    training = runtime.services.training
    first = training.train_model("svd", QUICK, "never")
    second = training.train_model("svd", QUICK, "never", queue=True)
    training.cancel(second)
    found = training.status(second)
    training.cancel(first)
    finished(runtime, first)
    assert (found.stage, found.error) == (instances.CANCELLED.stage, instances.CANCELLED.error)


def test_what_the_evidence_of_a_study_says() -> None:
    squared = np.random.default_rng(0).uniform(5.0, 10.0, 40)
    found = weigh("rmse", 12, measured(0.8, squared * 0.8), measured(0.9, squared), 14, None)
    assert instances.STUDY.evidence is not None
    assert shape(found.text) == shape(instances.STUDY.evidence.text)


def measured(rmse: float, squared: NDArray[np.float64]) -> Measured:
    """A trial of two folds, and the squared errors of users with ten ratings each."""
    users = np.arange(len(squared))
    errors_of = UserErrors(users, np.full(len(users), 10), users.astype(np.uint64), {"rmse": squared})
    return Measured(tuple(FoldResult(number, rmse, 20, 1.0) for number in range(2)), errors_of)

"""An import that shows its plan and waits before it writes, and what the plan shows of the columns."""

from __future__ import annotations

import io

import pytest

from engine.data.plan import ImportOptions, Preview
from engine.errors import InvalidInput
from engine.runtime import Runtime
from engine.services.uploads import UploadedFile
from tests.engine.services.conftest import wait_for

RATINGS = "user_id,movie_id,rating,note\nann,1,4.5,x\nben,2,0.5,y\n" + "".join(f"u{n},{n},3.5,z\n" for n in range(9))
UNCLEAR = "qa,qb,qc,qd\n" + "".join(f"2020-09-{n + 11},m{n},{n % 5}.5,{name}\n" for n, name in enumerate("abcdefg"))


def order(runtime: Runtime, text: str, **options: object) -> int:
    files = [UploadedFile("ratings.csv", io.BytesIO(text.encode()))]
    return runtime.services.imports.import_files(files, ImportOptions(confirm=True, **options))  # type: ignore[arg-type]


def waits(runtime: Runtime, job_id: int) -> None:
    imports = runtime.services.imports
    wait_for(lambda: imports.job(job_id).state == "waiting" or imports.job(job_id).state.is_finished)
    assert imports.job(job_id).state == "waiting", imports.job(job_id).error


def test_nothing_is_written_before_the_plan_is_confirmed(runtime: Runtime) -> None:
    imports = runtime.services.imports
    job_id = order(runtime, RATINGS)
    waits(runtime, job_id)
    job = imports.job(job_id)
    assert job.questions == []
    assert job.plan is not None
    assert job.plan.ratings == 11
    assert runtime.services.library.counts().ratings == 0
    assert imports.batches() == []
    with pytest.raises(InvalidInput, match="no question 'scale'"):
        imports.answer(job_id, {"scale": [1, 10]})
    imports.answer(job_id, {})
    wait_for(lambda: imports.job(job_id).state.is_finished)
    assert imports.job(job_id).state == "succeeded"
    assert runtime.services.library.counts().ratings == 11
    assert imports.batches()[0].choices == {}


def test_a_plan_is_confirmed_after_its_questions(runtime: Runtime) -> None:
    imports = runtime.services.imports
    job_id = order(runtime, "user_id,movie_id,rating\nann,1,9\nben,2,3\n")
    waits(runtime, job_id)
    assert [question.code for question in imports.job(job_id).questions or ()] == ["scale"]
    imports.answer(job_id, {"scale": [1, 10]})
    wait_for(lambda: imports.job(job_id).questions == [])
    assert imports.job(job_id).state == "waiting"
    assert runtime.services.library.counts().ratings == 0


def test_an_import_that_waits_for_its_confirmation_can_be_cancelled(runtime: Runtime) -> None:
    imports = runtime.services.imports
    job_id = order(runtime, RATINGS)
    waits(runtime, job_id)
    imports.cancel_job(job_id)
    wait_for(lambda: imports.job(job_id).state.is_finished)
    assert imports.job(job_id).state == "cancelled"
    assert imports.batches() == []


def test_a_dry_run_needs_no_confirmation(runtime: Runtime) -> None:
    imports = runtime.services.imports
    job_id = order(runtime, RATINGS, dry_run=True)
    wait_for(lambda: imports.job(job_id).state.is_finished)
    assert imports.job(job_id).state == "succeeded"


def test_the_plan_shows_all_columns_with_their_roles(runtime: Runtime) -> None:
    job_id = order(runtime, RATINGS)
    waits(runtime, job_id)
    plan = runtime.services.imports.job(job_id).plan
    assert plan is not None
    rows = [line.split(",") for line in RATINGS.splitlines()]
    assert plan.preview == Preview(
        file="ratings.csv",
        names=rows[0],
        rows=rows[1:6],
        columns={"user": 0, "movie": 1, "rating": 2},
        fixed=False,
    )


def test_columns_that_are_asked_for_are_shown_too(runtime: Runtime) -> None:
    imports = runtime.services.imports
    job_id = order(runtime, UNCLEAR)
    waits(runtime, job_id)
    job = imports.job(job_id)
    assert [question.code for question in job.questions or ()] == ["columns"]
    assert job.plan is not None
    assert job.plan.preview is not None
    assert (job.plan.preview.names, len(job.plan.preview.rows)) == (["qa", "qb", "qc", "qd"], 5)
    imports.answer(job_id, {"columns": {"user": "qd", "movie": "qb", "rating": "qc"}})
    wait_for(lambda: imports.job(job_id).questions != job.questions and imports.job(job_id).state == "waiting")
    plan = imports.job(job_id).plan
    assert plan is not None
    assert plan.preview is not None
    assert plan.preview.columns == {"user": 3, "movie": 1, "rating": 2}


def test_known_names_are_suggested_beside_the_column_that_is_asked_for(runtime: Runtime) -> None:
    rows = ("anna,Heat (1995),9,2024-03-01", "bert,Heat (1995),ten,2024-03-02", "bert,Fargo (1996),11,2024-03-03")
    job_id = order(runtime, "\n".join(("user,movie,Fazit,when", *rows)))
    waits(runtime, job_id)
    job = runtime.services.imports.job(job_id)
    assert [question.code for question in job.questions or ()] == ["columns"]
    assert job.plan is not None
    assert job.plan.preview is not None
    assert job.plan.preview.columns == {"user": 0, "movie": 1, "time": 3}


def test_a_known_source_fixes_the_roles(runtime: Runtime) -> None:
    export = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Heat,1995,https://boxd.it/1,4.5\n"
    job_id = order(runtime, export, user_id="ann")
    waits(runtime, job_id)
    plan = runtime.services.imports.job(job_id).plan
    assert plan is not None
    assert plan.preview is not None
    assert plan.preview.fixed
    assert plan.preview.columns["title"] == 1

"""Examples in the API's documentation: what each JSON route returns, as real instances."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from engine.recommending.cold_start import blend
from engine.services.imports import NOTHING_KEPT
from engine.services.notices import WebhookState
from engine.services.records import JobState, StudyState
from sidecar.docs import golden_people, live_instances
from sidecar.docs import instances as made
from sidecar.docs.problem_examples import PROBLEMS
from sidecar.docs.shown import REPLAY, SHOWN
from sidecar.routes import (
    audit,
    data,
    golden,
    health,
    keys,
    live,
    metrics,
    notices,
    storage,
    training,
    tuning,
    users,
    version_files,
    versions,
)

ANSWERS: Mapping[str, object] = {
    "recommend": made.LIST,
    "recommend_to_anybody": replace(
        made.LIST,
        user_id="",
        ratings_count=1,
        reason=blend(1, 1, known=True, personal_from=10).reason,
        status="blended",
    ),
    "predict": made.PREDICTIONS,
    "explain": made.EXPLANATION,
    "similar": made.SIMILAR,
    "what_if": made.WHAT_IF,
    "interview": made.INTERVIEW,
    "rate": made.RATED,
    "unrate": made.REMOVED,
    "health_of_updates": made.DRIFT,
    "train": training.RunStarted(run_id=7),
    "retrain": training.RunStarted(run_id=8),
    "training_status": made.RUN,
    "list_runs": training.Runs(runs=[made.RUN], next=None),
    "cancel_training": made.CANCELLED,
    "start_study": tuning.StudyStarted(study_id=2),
    "list_studies": tuning.Studies(studies=[made.STUDY], next=None),
    "study": made.STUDY,
    "stop_study": replace(
        made.STUDY, state=StudyState.STOPPED, stage="Stopped; resume it to go on", eta_s=None, ended_at=1795443970.0
    ),
    "resume_study": replace(
        made.STUDY, state=StudyState.QUEUED, stage="Waiting", eta_s=None, trials=40, budget_s=3600.0
    ),
    "train_with_study": training.RunStarted(run_id=9),
    "version_metrics": metrics.VersionMetrics(
        version=3,
        protocol=made.PROTOCOL,
        metrics=made.METRICS,
        segments={},
        newcomers=[made.NEWCOMERS],
        baselines=[made.BASELINE],
        shortfalls=[],
    ),
    "metrics_history": metrics.History(history=[made.MEASURED], next=None),
    "compare_models": metrics.Compared(
        baseline=2,
        versions=[made.MEASURED.model_copy(update={"version": 2, "active": False}), made.MEASURED],
        comparisons=[made.COMPARISON],
    ),
    "live_report": live_instances.LIVE,
    "list_exams": live.Exams(exams=[live_instances.EXAM], next=None),
    "list_models": versions.Models(active_version=3, models=[made.VERSION], next=None),
    "activate_model": versions.Serving(active_version=3),
    "list_activations": versions.Ledger(activations=[made.ACTIVATION], next=None),
    "roll_back": versions.Serving(active_version=2),
    "model": made.VERSION,
    "describe_model": made.VERSION,
    "delete_model": versions.DeletedVersion(version=3, state="deleted", freed_bytes=made.VERSION.size_bytes),
    "list_changes": golden_people.LIST_CHANGES,
    "golden_people": golden.GoldenPeople(people=[golden_people.PERSON]),
    "pin_golden_person": golden_people.PERSON,
    "expect_of_golden_person": golden_people.PERSON,
    "unpin_golden_person": golden_people.PERSON,
    "check_golden_people": golden.GoldenCheck(version=3, holds=False, people=[golden_people.RESULT]),
    "import_model": version_files.Imported(version=4),
    "plan": made.PLAN,
    "change_plan": made.PLAN,
    "pause_automation": replace(made.PLAN, paused=True, next_run=None),
    "list_notices": notices.Notices(
        unread=1, webhook=WebhookState(0, 1795443847.9, None, None, None), notices=[made.NOTICE], next=None
    ),
    "read_notices": notices.Unread(unread=0),
    "start_import": data.JobStarted(job_id=4),
    "imports": data.Imports(imports=[made.IMPORTED]),
    "undo_import": data.JobStarted(job_id=5),
    "write_recommendations": data.JobStarted(job_id=6),
    "statistics": made.STATISTICS,
    "job": made.WAITING,
    "cancel_job": replace(made.JOB, state=JobState.CANCELLED, message="", result=None, error=NOTHING_KEPT),
    "answer_questions": replace(made.WAITING, state=JobState.RUNNING, message="Going on", questions=None),
    "shown": users.ShownLists(lists=[SHOWN], next=None),
    "replay": REPLAY,
    "forget": made.DELETED_USER,
    "store_facts": made.FACTS,
    "check_store": storage.Checked(sound=True, faults=[]),
    "list_backups": storage.BackupList(backups=[made.BACKUP]),
    "make_backup": replace(made.BACKUP, reason="asked"),
    "backup_plan": made.BACKUP_PLAN,
    "change_backup_plan": made.BACKUP_PLAN,
    "delete_backup": storage.DeletedBackup(name=storage.NAME),
    "restore_backup": storage.Restored(name=storage.NAME, replaced="marquee.db.replaced-20261122-090000"),
    "list_keys": keys.Keys(keys=[made.KEY]),
    "create_key": keys.NewKey(
        **made.KEY.model_dump() | {"last_used_at": None, "key": "mq_2b1Jr0m8Yq5o3dZr9vKQ4nT7uW6xE1aC0sL2hF8gP3k"}
    ),
    "revoke_key": made.KEY.model_copy(update={"revoked_at": 1795530246.9}),
    "audit_log": audit.Entries(entries=[made.ENTRY], next=None),
    "live": health.Live(status="live"),
    "ready": health.Ready(status="ready", model_version=3, exams_dropped=0, answers_dropped=0),
}
"""What each JSON route returns, by the name of its function; a twin with IDs in the query returns the same."""


def add_examples(schema: dict[str, Any]) -> None:
    """Add the examples to an OpenAPI document.

    They can't go through FastAPI, which drops every null from examples of responses.
    """
    schema["components"]["examples"] = {code: {"value": body} for code, body in PROBLEMS.items()}
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = next(each for status, each in operation["responses"].items() if status < "300")["content"]
            if "application/json" in content:
                value = ANSWERS[operation["operationId"].removesuffix("_by_query")]
                content["application/json"]["example"] = TypeAdapter(type(value)).dump_python(
                    value, mode="json", by_alias=True
                )
            elif "text/plain" in content:
                content["text/plain"]["example"] = made.METRICS_TEXT

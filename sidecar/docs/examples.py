"""Examples in the API's documentation: what each JSON route returns, as real instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from engine.recommending.cold_start import blend
from engine.services.imports import NOTHING_KEPT
from engine.services.notices import WebhookState
from engine.services.records import JobState, StudyState
from sidecar.docs.instances import (
    ACTIVATION,
    BACKUP,
    BACKUP_PLAN,
    CANCELLED,
    COMPARISON,
    DELETED_USER,
    DRIFT,
    ENTRY,
    EXPLANATION,
    FACTS,
    IMPORTED,
    INTERVIEW,
    JOB,
    KEY,
    LIST,
    MEASURED,
    METRICS,
    METRICS_TEXT,
    NEWCOMERS,
    NOTICE,
    PLAN,
    PREDICTIONS,
    PROTOCOL,
    RATED,
    REMOVED,
    RUN,
    SERVING,
    SIMILAR,
    STATISTICS,
    STUDY,
    VERSION,
    WAITING,
    WHAT_IF,
)
from sidecar.docs.problem_examples import PROBLEMS
from sidecar.routes import (
    audit,
    data,
    health,
    keys,
    metrics,
    notices,
    storage,
    training,
    tuning,
    version_files,
    versions,
)

ANSWERS: Mapping[str, object] = {
    "recommend": LIST,
    "recommend_by_query": LIST,
    "recommend_to_anybody": replace(
        LIST, user_id="", ratings_count=1, reason=blend(1, 1, known=True, personal_from=10).reason, status="blended"
    ),
    "predict": PREDICTIONS,
    "explain": EXPLANATION,
    "explain_by_query": EXPLANATION,
    "similar": SIMILAR,
    "similar_by_query": SIMILAR,
    "what_if": WHAT_IF,
    "interview": INTERVIEW,
    "interview_by_query": INTERVIEW,
    "rate": RATED,
    "unrate": REMOVED,
    "unrate_by_query": REMOVED,
    "health_of_updates": DRIFT,
    "train": training.RunStarted(run_id=7),
    "retrain": training.RunStarted(run_id=8),
    "training_status": RUN,
    "list_runs": training.Runs(runs=[RUN], next=None),
    "cancel_training": CANCELLED,
    "start_study": tuning.StudyStarted(study_id=2),
    "list_studies": tuning.Studies(studies=[STUDY], next=None),
    "study": STUDY,
    "stop_study": replace(
        STUDY, state=StudyState.STOPPED, stage="Stopped; resume it to go on", eta_s=None, ended_at=1795443970.0
    ),
    "resume_study": replace(STUDY, state=StudyState.QUEUED, stage="Waiting", eta_s=None, trials=40, budget_s=3600.0),
    "train_with_study": training.RunStarted(run_id=9),
    "version_metrics": metrics.VersionMetrics(
        version=3, protocol=PROTOCOL, metrics=METRICS, segments={}, newcomers=[NEWCOMERS]
    ),
    "metrics_history": metrics.History(history=[MEASURED], next=None),
    "compare_models": metrics.Compared(
        baseline=2,
        versions=[MEASURED.model_copy(update={"version": 2, "active": False}), MEASURED],
        comparisons=[COMPARISON],
    ),
    "list_models": versions.Models(active_version=3, models=[VERSION], next=None),
    "activate_model": SERVING,
    "list_activations": versions.Ledger(activations=[ACTIVATION], next=None),
    "roll_back": versions.Serving(active_version=2),
    "model": VERSION,
    "describe_model": VERSION,
    "delete_model": versions.DeletedVersion(version=3, state="deleted", freed_bytes=VERSION.size_bytes),
    "import_model": version_files.Imported(version=4),
    "plan": PLAN,
    "change_plan": PLAN,
    "pause_automation": replace(PLAN, paused=True, next_run=None),
    "list_notices": notices.Notices(
        unread=1, webhook=WebhookState(0, 1795443847.9, None, None, None), notices=[NOTICE], next=None
    ),
    "read_notices": notices.Unread(unread=0),
    "start_import": data.JobStarted(job_id=4),
    "imports": data.Imports(imports=[IMPORTED]),
    "undo_import": data.JobStarted(job_id=5),
    "statistics": STATISTICS,
    "job": WAITING,
    "cancel_job": replace(JOB, state=JobState.CANCELLED, message="", result=None, error=NOTHING_KEPT),
    "answer_questions": replace(WAITING, state=JobState.RUNNING, message="Going on", questions=None),
    "forget": DELETED_USER,
    "forget_by_query": DELETED_USER,
    "store_facts": FACTS,
    "check_store": storage.Checked(sound=True, faults=[]),
    "list_backups": storage.BackupList(backups=[BACKUP]),
    "make_backup": replace(BACKUP, reason="asked"),
    "backup_plan": BACKUP_PLAN,
    "change_backup_plan": BACKUP_PLAN,
    "delete_backup": storage.DeletedBackup(name=storage.NAME),
    "restore_backup": storage.Restored(name=storage.NAME, replaced="marquee.db.replaced-20261122-090000"),
    "list_keys": keys.Keys(keys=[KEY]),
    "create_key": keys.NewKey(
        **KEY.model_dump() | {"last_used_at": None, "key": "mq_2b1Jr0m8Yq5o3dZr9vKQ4nT7uW6xE1aC0sL2hF8gP3k"}
    ),
    "revoke_key": KEY.model_copy(update={"revoked_at": 1795530246.9}),
    "audit_log": audit.Entries(entries=[ENTRY], next=None),
    "live": health.Live(status="live"),
    "ready": health.Ready(status="ready", model_version=3),
}
"""What each JSON route returns, by the name of its function."""


def add_examples(schema: dict[str, Any]) -> None:
    """Add the examples to an OpenAPI document.

    They can't go through FastAPI, which drops every null from examples of responses.
    """
    schema["components"]["examples"] = {code: {"value": body} for code, body in PROBLEMS.items()}
    for operations in schema["paths"].values():
        for operation in operations.values():
            content = next(each for status, each in operation["responses"].items() if status < "300")["content"]
            if "application/json" in content:
                value = ANSWERS[operation["operationId"]]
                content["application/json"]["example"] = TypeAdapter(type(value)).dump_python(
                    value, mode="json", by_alias=True
                )
            elif "text/plain" in content:
                content["text/plain"]["example"] = METRICS_TEXT

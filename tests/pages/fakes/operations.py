"""Fake notices, automation, backups, keys and audit log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import (
    InvalidInput,
)
from engine.services.automation import Automation
from engine.services.backup_plan import BackupPlan
from engine.services.notices import WebhookState
from engine.services.storage import Backup, StoreFacts
from engine.services.training import TrainingStatus
from sidecar.docs import instances
from store.records import AuditRecord, KeyRecord, NoticeRecord
from tests.pages.fakes.data import ABOUT, NOW, RUNS, TRICKY
from tests.pages.fakes.training import FakeTraining


@dataclass
class FakeInbox:
    hook: WebhookState | None = None
    held: list[NoticeRecord] = field(
        default_factory=lambda: [
            NoticeRecord(4, "warning", "training", "Training was late.", {"run_id": 3}, NOW - 3000, None),
            NoticeRecord(3, "info", "training", f"Version 2 is trained. {RUNS[0].verdict}", ABOUT, NOW - 4000, NOW),
            NoticeRecord(2, "error", "training", f"Training run 2 failed. {RUNS[1].error}", {}, NOW - 8000, None),
            NoticeRecord(1, "warning", "import", TRICKY, {}, NOW - 90_000, NOW),
        ]
    )

    def notices(
        self,
        limit: int = 50,
        *,
        before: int | None = None,
        levels: Sequence[str] | None = None,
        unread_only: bool = False,
    ) -> Sequence[NoticeRecord]:
        return [
            one
            for one in self.held
            if (before is None or one.notice_id < before)
            and (levels is None or one.level in levels)
            and (not unread_only or one.is_unread)
        ][:limit]

    def webhook(self) -> WebhookState | None:
        return self.hook

    def unread(self) -> int:
        return sum(one.is_unread for one in self.held)

    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        self.held = [
            replace(one, read_at=NOW) if notice_ids is None or one.notice_id in notice_ids else one for one in self.held
        ]


PLAN = Automation(
    False, (6,), 3, 0, "Europe/Berlin", 5000, "if_better", NOW + 9e5, replace(RUNS[0], actor="schedule"), 1204
)


@dataclass
class FakeAutomation:
    training: FakeTraining
    planned: Automation = PLAN
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def plan(self) -> Automation:
        return self.planned

    def runs(self, limit: int = 50) -> list[TrainingStatus]:
        return self.training.runs(limit, actors=("schedule", "rule"))

    def change(self, **values: Any) -> None:
        if values["after_ratings"] < 0:
            raise InvalidInput("after_ratings is -1, but must be from 0 to 100.", field="after_ratings")
        self.asked.append(("change", values))

    def pause(self, *, paused: bool) -> None:
        self.asked.append(("pause", paused))
        self.planned = replace(self.planned, paused=paused, next_run=None if paused else NOW + 9e5)

    def run_now(self, actor: str = "you") -> int:
        self.asked.append(("run_now",))
        return 4


BACKUPS = [
    replace(
        instances.BACKUP,
        name=f"marquee-2026110{n}-020000.db",
        made_at=NOW - n * 86_400,
    )
    for n in (1, 2, 3)
]

NO_BACKUPS = BackupPlan("never", 2, 0, "UTC", 30, None)


@dataclass
class FakeStorage:
    held: list[Backup] = field(default_factory=list)
    planned: BackupPlan = NO_BACKUPS
    going: float | None = None
    faults: list[str] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def backups(self) -> Sequence[Backup]:
        return self.held

    def plan(self) -> BackupPlan:
        return self.planned

    def progress(self) -> float | None:
        return self.going

    def facts(self) -> StoreFacts:
        return StoreFacts("id", "0004", 3, 671, 9125, 100_316, 3, 3, 9_830_400, NOW, tuple(self.faults), None)

    def start_backup(self) -> Future[Backup]:
        self.asked.append(("start_backup",))
        return Future()

    def cancel(self) -> None:
        self.asked.append(("cancel",))

    def path_of(self, name: str) -> Path:
        return Path(__file__)

    def delete(self, name: str) -> None:
        self.asked.append(("delete", name))
        self.held = [one for one in self.held if one.name != name]

    def restore(self, name: str, actor: str = "you") -> str | None:
        self.asked.append(("restore", name))
        return "marquee.db.replaced-20261101-020000"

    def check(self, *, thorough: bool = True) -> list[str]:
        self.asked.append(("check", thorough))
        return self.faults

    def change_plan(self, **values: Any) -> None:
        self.asked.append(("change_plan", values))


@dataclass
class FakeAccess:
    needed: bool = True
    held: list[KeyRecord] = field(
        default_factory=lambda: [
            KeyRecord(2, TRICKY, ("read", "rate"), "0" * 64, NOW - 9000, "first key", NOW - 60, None),
            KeyRecord(1, "old", ("admin",), "1" * 64, NOW - 99_000, "first key", None, NOW - 500),
        ]
    )

    def list_keys(self) -> list[KeyRecord]:
        return self.held

    def create(self, name: str, scopes: Iterable[str]) -> tuple[KeyRecord, str]:
        if not name.strip():
            raise InvalidInput("A key's name has 1 to 100 characters that can be printed.", field="name")
        made = KeyRecord(3, name, tuple(scopes), "2" * 64, NOW, "console", None, None)
        self.held = [made, *self.held]
        return made, "mq_shown_once"

    def revoke(self, key_id: int) -> KeyRecord:
        self.held = [replace(one, revoked_at=NOW) if one.key_id == key_id else one for one in self.held]
        return next(one for one in self.held if one.key_id == key_id)


@dataclass
class FakeAudit:
    held: list[AuditRecord] = field(
        default_factory=lambda: [
            AuditRecord(n, NOW - 100 * n, TRICKY, None, "sign-in", "", "done") for n in range(60, 0, -1)
        ]
    )

    def entries(self, limit: int = 50, *, before: int | None = None) -> list[AuditRecord]:
        return self.held[:limit]

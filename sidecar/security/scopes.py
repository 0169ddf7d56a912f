"""Authorization: the scope that each route requires, and the allowance that a request uses up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.services.access import ADMIN, Holder
from engine.settings import Settings
from sidecar.http.kinds import SCOPE_TOO_SMALL, TOO_MANY_REQUESTS
from sidecar.http.problems import problem
from sidecar.http.requests import route_path
from sidecar.security.rates import Rates

Name = Literal["read", "rate", "admin", "none"]
Counted = Literal["ratings", "jobs"]
HOLDER = "marquee.holder"
"""Key of the authenticated holder in an ASGI scope."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route requires of a key.

    Attributes:
        scope: ``none`` needs no key.
        counted: the allowance that a request uses up.
    """

    scope: Name
    counted: Counted | None = None


NOBODY, READ, ADMINS = Rule("none"), Rule("read"), Rule("admin")
RATE = Rule("rate", "ratings")
JOB = Rule("admin", "jobs")

RULES: Mapping[str, Rule] = {
    "GET /health/live": NOBODY,
    "GET /health/ready": NOBODY,
    "GET /metrics": READ,
    "GET /docs": READ,
    "GET /openapi.json": READ,
    "GET /ml/recommendations/{user_id}": READ,
    "GET /ml/recommendations": READ,
    "POST /ml/recommendations": READ,
    "POST /ml/predict": READ,
    "POST /ml/what-if": READ,
    "GET /ml/explain/{user_id}/{movie_id}": READ,
    "GET /ml/explain": READ,
    "GET /ml/similar/{movie_id}": READ,
    "GET /ml/similar": READ,
    "GET /ml/interview/{user_id}": READ,
    "GET /ml/interview": READ,
    "POST /rate": RATE,
    "DELETE /rate/{user_id}/{movie_id}": RATE,
    "DELETE /rate": RATE,
    "GET /ml/health-of-updates": READ,
    "GET /ml/metrics": READ,
    "GET /ml/metrics/history": READ,
    "GET /ml/live": READ,
    "GET /ml/live/exams": ADMINS,
    "GET /ml/models": READ,
    "GET /ml/models/{version}": READ,
    "GET /ml/models/compare": READ,
    "GET /ml/models/{version}/golden": READ,
    "GET /ml/models/{version}/changes": READ,
    "GET /ml/golden": READ,
    "POST /ml/golden": ADMINS,
    "PATCH /ml/golden/{golden_id}": ADMINS,
    "DELETE /ml/golden/{golden_id}": ADMINS,
    "GET /ml/activations": READ,
    "GET /ml/training-status": READ,
    "GET /ml/training-runs": READ,
    "GET /ml/tuning": READ,
    "GET /ml/tuning/{study_id}": READ,
    "GET /data/statistics": READ,
    "GET /jobs/{job_id}": ADMINS,
    "GET /automation": READ,
    "POST /ml/train": JOB,
    "POST /ml/retrain": JOB,
    "POST /ml/training-runs/{run_id}/cancel": ADMINS,
    "POST /ml/tuning": JOB,
    "POST /ml/tuning/{study_id}/stop": ADMINS,
    "POST /ml/tuning/{study_id}/resume": JOB,
    "POST /ml/tuning/{study_id}/train": JOB,
    "PATCH /ml/models/{version}": ADMINS,
    "DELETE /ml/models/{version}": ADMINS,
    "POST /ml/models/activate/{version}": ADMINS,
    "POST /ml/models/rollback": ADMINS,
    "GET /ml/models/{version}/export": JOB,
    "POST /ml/models/import": JOB,
    "POST /data/imports": JOB,
    "GET /data/imports": ADMINS,
    "POST /jobs/{job_id}/cancel": ADMINS,
    "POST /jobs/{job_id}/answers": ADMINS,
    "POST /data/imports/{import_id}/undo": JOB,
    "GET /users/{user_id}/shown": ADMINS,
    "GET /users/shown": ADMINS,
    "GET /answers/{answer_id}": ADMINS,
    "DELETE /users/{user_id}": ADMINS,
    "DELETE /users": ADMINS,
    "POST /automation": ADMINS,
    "POST /automation/pause": ADMINS,
    "GET /notices": ADMINS,
    "POST /notices/read": ADMINS,
    "GET /keys": ADMINS,
    "POST /keys": ADMINS,
    "DELETE /keys/{key_id}": ADMINS,
    "GET /data/exports/recommendations": JOB,
    "POST /data/exports/recommendations": JOB,
    "GET /data/exports/factors": JOB,
    "GET /data/exports/archive": JOB,
    "GET /data/exports/{table}": JOB,
    "GET /store": ADMINS,
    "POST /store/check": JOB,
    "GET /store/backups": ADMINS,
    "POST /store/backups": JOB,
    "GET /store/backups/{name}": JOB,
    "DELETE /store/backups/{name}": ADMINS,
    "POST /store/backups/{name}/restore": JOB,
    "GET /store/backup-plan": ADMINS,
    "POST /store/backup-plan": ADMINS,
    "GET /audit": ADMINS,
    "GET /audit/export": JOB,
}
"""The rule of every route; one that is missing requires ``admin``."""


class Table:
    """Finds the rule of a request the way routing finds its route: the first match wins."""

    def __init__(self, routes: Sequence[Route]) -> None:
        patterns: dict[str, list[str]] = {}
        self._rules: dict[str, list[Rule]] = {}
        for route in routes:
            for method in route.methods or ():
                name = f"{method} {route.path_format}"
                # Unnamed groups, as a name can appear in several routes.
                inner = re.sub(r"\(\?P<\w+>", "(?:", route.path_regex.pattern).strip("^$")
                patterns.setdefault(method, []).append(f"({inner})")
                self._rules.setdefault(method, []).append(RULES.get(name, ADMINS))
        self._patterns = {method: re.compile("|".join(found)) for method, found in patterns.items()}

    def find(self, method: str, path: str) -> Rule | None:
        """The rule of the matching route; None if no route matches, so there is nothing to protect."""
        method = "GET" if method == "HEAD" else method
        pattern = self._patterns.get(method)
        found = None if pattern is None else pattern.fullmatch(path)
        return None if found is None or found.lastindex is None else self._rules[method][found.lastindex - 1]


class ScopeMiddleware:
    """Refuses requests outside the scopes of a key or beyond its allowances; without a key it checks nothing.

    Args:
        app: the API.
        routes: of the API, in matching order.
        settings: for the limits.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[Route], settings: Settings) -> None:
        self.app = app
        self._routes = routes
        self._table: Table | None = None
        self._rates = Rates(ratings=settings.ratings_per_second, jobs=settings.jobs_per_hour)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle or refuse one request."""
        holder: Holder | None = scope.get(HOLDER)
        if holder is not None and scope["type"] == "http":
            if self._table is None:
                self._table = Table(self._routes)
            rule = self._table.find(scope["method"], route_path(scope))
            if rule is not None:
                if rule.scope != "none" and not holder.may(rule.scope):
                    await problem(SCOPE_TOO_SMALL, too_small(holder, rule.scope))(scope, receive, send)
                    return
                if rule.counted is not None and (wait_s := self._rates.wait_s(rule.counted, holder.key_id)):
                    detail = too_often(wait_s)
                    headers = {"Retry-After": str(wait_s)}
                    await problem(TOO_MANY_REQUESTS, detail, headers=headers)(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def too_small(holder: Holder, scope: str) -> str:
    """The message to a key without the required scope."""
    has = " and ".join(sorted(holder.scopes))
    needs = scope if scope == ADMIN else f"{scope} or {ADMIN}"
    return f"This key has the scope {has}; this needs {needs}."


def too_often(wait_s: int) -> str:
    """The message to a key that has used up an allowance."""
    return f"This key has been used too often. Try again in {wait_s:,} seconds."

"""Puts the API together: routers, error answers, limits, request log and description."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from engine.settings import Settings
from sidecar.docs.page import render, security_policy
from sidecar.http import problems
from sidecar.http.access_log import AccessMiddleware
from sidecar.http.limits import BodyLimitMiddleware
from sidecar.routes import (
    audit,
    automation,
    data,
    explanations,
    health,
    interview,
    keys,
    metrics,
    notices,
    prometheus,
    ratings,
    recommendations,
    storage,
    training,
    tuning,
    users,
    version_files,
    versions,
)
from sidecar.security.scopes import ADMINS, RULES, ScopeMiddleware

VERSION = "0.2.0"
TAGS = [
    {"name": "recommendations", "description": "Lists, predictions and explanations from the version that serves."},
    {"name": "ratings", "description": "New ratings, known to the next list without a training."},
    {"name": "training", "description": "Training runs in the background, one at a time."},
    {"name": "tuning", "description": "Studies look for hyperparameters in the background, one at a time."},
    {"name": "metrics", "description": "How good the versions are, and which of two is better."},
    {"name": "models", "description": "Model versions: which serves, what is kept of them, and files of them."},
    {"name": "automation", "description": "When Marquee retrains by itself."},
    {"name": "notices", "description": "What happened that somebody may want to know."},
    {"name": "data", "description": "Imports, the jobs that do them, and what is stored."},
    {"name": "store", "description": "Backups of the store, the way back to one, and whether the store is sound."},
    {"name": "access", "description": "API keys and the audit log."},
    {"name": "health", "description": "For probes, which need no key, and for Prometheus."},
]
# Those of metrics come before those of models: /ml/models/compare is no version.
ROUTERS = (
    recommendations.router,
    explanations.router,
    interview.router,
    ratings.router,
    training.router,
    tuning.router,
    metrics.router,
    versions.router,
    version_files.router,
    automation.router,
    notices.router,
    data.router,
    users.router,
    storage.router,
    keys.router,
    audit.router,
    health.router,
    prometheus.router,
)
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
DESCRIPTION = """
Recommendations, predictions and explanations from your own ratings, and the trainings, versions and imports behind
them.

Bodies and answers are JSON. Ids are your own, as text; a whole number is taken as its digits. In a path a slash inside
an id is written `%2F`. Times are Unix seconds.
"""
WITHOUT_KEY = """
No API key is set, so only programs on this computer are answered, under the names localhost, 127.0.0.1 and [::1].
"""
WITH_KEY = """
An API key is needed: send it in the header `X-API-Key`, or as `Authorization: Bearer` followed by the key. Keys have
the scopes *read*, *rate* and *admin*; *admin* includes the others.
"""


class MarqueeAPI(FastAPI):
    """FastAPI whose OpenAPI document knows our problems and keys."""

    needs_key = False

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            schema = super().openapi()
            _restore_examples(schema)
            _describe_problems(schema)
            _describe_keys(schema, needed=self.needs_key)
        return super().openapi()


def create_api(settings: Settings) -> FastAPI:
    """The API, to be mounted at ``/api``; it reaches the services through ``engine.services.current()``.

    ``sidecar.security.middleware.SecurityMiddleware`` belongs around the whole server and is not part of it.
    """
    api = MarqueeAPI(
        title="Marquee",
        version=VERSION,
        description=(DESCRIPTION + (WITH_KEY if settings.key else WITHOUT_KEY)).strip(),
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        # A redirect would be built from the Host header; a wrong address is better answered with 404.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    api.needs_key = settings.key is not None
    for router in ROUTERS:
        api.include_router(router)
    api.state.routes = ROUTES
    problems.install(api)

    @api.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def docs(request: Request) -> Response:
        """The description as a page."""
        page = render(api.openapi(), request.scope.get("root_path", ""))
        return HTMLResponse(page, headers={"Content-Security-Policy": security_policy()})

    routes = [*ROUTES, *(route for route in api.routes if isinstance(route, Route))]
    api.add_middleware(BodyLimitMiddleware)
    api.add_middleware(ScopeMiddleware, routes=routes, settings=settings)
    api.add_middleware(AccessMiddleware)  # added last, so it is the outermost
    return api


def _restore_examples(schema: dict[str, Any]) -> None:
    """Put back the examples of answers: FastAPI drops every null from them, and then they do not fit their schemas."""
    for route in ROUTES:
        for method in route.methods or ():
            described = schema["paths"][route.path_format][method.lower()]["responses"]
            for status, answer in route.responses.items():
                for media_type, content in answer["content"].items():
                    described[str(status)]["content"][media_type] |= content


def _describe_problems(schema: dict[str, Any]) -> None:
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["components"]["schemas"] |= problem.pop("$defs")
    schema["components"]["schemas"]["Problem"] = problem


def _describe_keys(schema: dict[str, Any], *, needed: bool) -> None:
    schema["components"]["securitySchemes"] = {
        "Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "Bearer": {"type": "http", "scheme": "bearer"},
    }
    schema["security"] = [{"Key": []}, {"Bearer": []}] if needed else []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            rule = RULES.get(f"{method.upper()} {path}", ADMINS)
            operation["x-scope"] = rule.scope
            if rule.scope == "none":
                operation["security"] = []

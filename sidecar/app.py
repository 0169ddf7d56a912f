"""The API: routers, error handlers, limits, request log and documentation."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from engine.data.plan import ImportOptions
from engine.settings import Settings
from sidecar.docs.description import describe
from sidecar.docs.examples import add_examples
from sidecar.docs.page import render_file, render_page, security_policy
from sidecar.http import problems
from sidecar.http.access_log import AccessMiddleware
from sidecar.http.limits import BodyLimitMiddleware
from sidecar.http.responses import add_problems
from sidecar.routes import (
    audit,
    automation,
    data,
    explanations,
    exports,
    golden,
    health,
    interview,
    keys,
    live,
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
    {"name": "recommendations", "description": "Lists, predictions and explanations from the active version."},
    {"name": "ratings", "description": "New ratings, which take effect without retraining."},
    {"name": "training", "description": "Training runs, in the background, one at a time."},
    {"name": "tuning", "description": "Studies that search for hyperparameters, in the background, one at a time."},
    {"name": "metrics", "description": "The quality of versions, and comparisons between them."},
    {"name": "models", "description": "Model versions: activation, notes and tags, deletion, export and import."},
    {"name": "automation", "description": "Automatic retraining."},
    {"name": "notices", "description": "Messages about what happened in the background."},
    {"name": "data", "description": "Import and export of ratings, background jobs, and users: lists shown, deletion."},
    {"name": "store", "description": "Backups of the store, restoring one, and integrity checks."},
    {"name": "access", "description": "API keys and the audit log."},
    {"name": "health", "description": "Health probes, which need no key, and metrics for Prometheus."},
]
# Metrics come before models, as /ml/models/compare must not be read as a version.
ROUTERS = (
    recommendations.router,
    explanations.router,
    interview.router,
    ratings.router,
    training.router,
    tuning.router,
    metrics.router,
    live.router,
    versions.router,
    golden.router,
    version_files.router,
    automation.router,
    notices.router,
    data.router,
    exports.router,
    users.router,
    storage.router,
    keys.router,
    audit.router,
    health.router,
    prometheus.router,
)
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


class MarqueeAPI(FastAPI):
    """FastAPI whose OpenAPI document includes examples, problems and scopes."""

    needs_key = False

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, generated once."""
        if self.openapi_schema is None:
            schema = super().openapi()
            add_examples(schema)
            _describe(schema, problems.Problem)
            _describe(schema, ImportOptions)
            for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which a problem replaces
                del schema["components"]["schemas"][unused]
            _describe_rules(schema, needed=self.needs_key)
        return super().openapi()


def create_api(settings: Settings) -> FastAPI:
    """The API, to be mounted at ``/api``; it finds the services through ``engine.services.current()``.

    ``sidecar.security.middleware.SecurityMiddleware`` goes around the whole server and is not included.
    """
    api = MarqueeAPI(
        title="Marquee",
        version=VERSION,
        description=describe(settings.key is not None, address=f"localhost:{settings.port}"),
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        # A redirect would be built from the Host header; 404 is the better response to a wrong address.
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
        """The reference as a page."""
        schema = api.openapi()
        told = describe(api.needs_key, address=_address(request))
        page = render_page(
            schema | {"info": schema["info"] | {"description": told}}, request.scope.get("root_path", "")
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": security_policy()})

    routes = [*ROUTES, *(route for route in api.routes if isinstance(route, Route))]
    api.add_middleware(BodyLimitMiddleware)
    api.add_middleware(ScopeMiddleware, routes=routes, settings=settings)
    api.add_middleware(AccessMiddleware)  # added last, so it is the outermost
    return api


def _address(request: Request) -> str:
    """Where the browser reached this server, as curl takes it: without ``http://``, which is curl's default."""
    return f"{'https://' if request.url.scheme == 'https' else ''}{request.url.netloc}"


def reference() -> str:
    """``docs/api.md``: the reference of the API, whether or not a server requires a key."""
    schema = create_api(Settings(api_key=None)).openapi()
    schema["info"]["description"] = describe()
    return render_file(schema)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add the schema of a model that FastAPI does not see."""
    described = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["components"]["schemas"] |= described.pop("$defs", {})
    schema["components"]["schemas"][model.__name__] = described


def _describe_rules(schema: dict[str, Any], *, needed: bool) -> None:
    schema["components"]["securitySchemes"] = {
        "Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "Bearer": {"type": "http", "scheme": "bearer"},
    }
    schema["security"] = [{"Key": []}, {"Bearer": []}] if needed else []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            rule = RULES.get(f"{method.upper()} {path}", ADMINS)
            operation["x-scope"] = rule.scope
            operation["x-counted"] = rule.counted or ""
            key, changes = rule.scope != "none", method != "get"
            if not key:
                operation["security"] = []
            add_problems(operation, key=key, changes=changes, writes=changes and rule.scope != "read")

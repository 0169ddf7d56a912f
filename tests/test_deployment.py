"""The files in deploy/ and the Dockerfile: read by the programs they are for, where these are installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from engine.services import use
from engine.services.records import State
from engine.settings import Settings
from tests.sidecar.client import Client
from tests.sidecar.conftest import api_for
from tests.sidecar.fakes import fake_services
from tools.pins import ROOT

DEPLOY = ROOT / "deploy"
PARTS_OF_PROMQL = {"by", "delta", "histogram_quantile", "increase", "le", "rate", "sum", "topk", "and", "or"}


def run(program: str, *arguments: str | Path, at: Path = ROOT) -> str:
    """What a program says of a file; the test is skipped where it is not installed, and fails where it exits with 1."""
    found = shutil.which(program) or shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, timeout=60, cwd=at)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


# -- the container -----------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with what follows it, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(word, rest) for line in lines if line for word, _, rest in [line.partition(" ")]]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert run("hadolint", "Dockerfile").strip() == ""


def test_the_final_image_has_all_that_marquee_is_made_of_and_no_compiler() -> None:
    steps = instructions()
    last = max(place for place, (word, _) in enumerate(steps) if word == "FROM")
    final = steps[last:]
    copied = {name for word, rest in final if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "tools", "benchmarks"}
    assert packages | {"app.py", "hyperparameters.toml", ".streamlit"} <= copied
    assert not any("apt-get" in rest or "pip" in rest for _, rest in final)
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= admitted
    assert all((ROOT / name).exists() for name in admitted)


def test_the_container_has_a_user_a_volume_and_a_probe() -> None:
    found = {word: rest for word, rest in instructions() if word in {"USER", "VOLUME", "HEALTHCHECK"}}
    assert found["USER"] not in {"0", "root"}
    assert found["VOLUME"] == "/data"
    assert "/api/health/live" in found["HEALTHCHECK"]


def test_the_container_installs_by_hash() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert installs
    for rest in installs:
        assert rest.count("pip install") == rest.count("--require-hashes")


# -- systemd -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there; where Marquee will be installed there is nothing yet."""
    text = (DEPLOY / "marquee.service").read_text(encoding="utf-8")
    target = tmp_path / "marquee.service"
    target.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text, flags=re.MULTILINE))
    return target


def test_systemd_accepts_the_unit(unit: Path) -> None:
    assert run("systemd-analyze", "verify", unit).strip() == ""


def test_systemd_calls_the_unit_well_guarded(unit: Path) -> None:
    run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)  # tenths, from 0 (best) to 10


def test_the_unit_keeps_the_store_where_it_may_write() -> None:
    text = (DEPLOY / "marquee.service").read_text(encoding="utf-8")
    assert "StateDirectory=marquee\n" in text
    assert "sqlite:////var/lib/marquee/" in text
    assert "ProtectSystem=strict\n" in text
    assert "MARQUEE_API_KEY=" not in re.sub(r"^#.*", "", text, flags=re.MULTILINE)  # anybody can read a unit


# -- proxies -----------------------------------------------------------------------------------------------------------

FORWARDED = ("Forwarded", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP")


@pytest.mark.parametrize("name", FORWARDED)
def test_no_proxy_passes_on_what_clients_claim_of_themselves(name: str) -> None:
    assert f'proxy_set_header {name} "";' in (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    assert f"header_up -{name}\n" in (DEPLOY / "Caddyfile").read_text(encoding="utf-8")


def with_sign_in(name: str) -> str:
    """A proxy's file with sign-in by person taken in, as its comments say."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    if name == "Caddyfile":
        text = re.sub(r"^marquee\.example\.org \{.*?^\}\n", "", text, flags=re.MULTILINE | re.DOTALL)
        return re.sub(r"^# (marquee\.example|\}$|\t)", r"\1", text, flags=re.MULTILINE)
    words = "auth_request|include|proxy_set_header|error_page|location|    proxy|}"
    return re.sub(rf"^(    +)# ({words})", r"\1\2", text, flags=re.MULTILINE)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
        "-subj",
        "/CN=x",
    )
    return tmp_path


@pytest.mark.parametrize("people", [False, True])
def test_nginx_accepts_its_file(people: bool, certificates: Path) -> None:
    text = with_sign_in("nginx.conf") if people else (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    assert ("\n        auth_request" in text) is people
    site, main, key = (certificates / name for name in ("site.conf", "main.conf", "marquee-key"))
    key.write_text('proxy_set_header X-API-Key "secret";\n')
    site.write_text(text.replace("/etc/ssl/marquee", str(certificates)).replace("/etc/nginx/marquee-key", str(key)))
    places = "".join(
        f"{kind}_temp_path {certificates};\n" for kind in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
    )
    http = f"http {{\naccess_log off;\n{places}include {site};\n}}\n"
    main.write_text(f"pid {certificates}/pid;\nerror_log stderr;\nevents {{}}\n{http}")
    run("nginx", "-t", "-q", "-c", main)


@pytest.mark.parametrize("people", [False, True])
def test_caddy_accepts_its_file(people: bool, tmp_path: Path) -> None:
    text = with_sign_in("Caddyfile") if people else (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert (re.search(r"^\t\tforward_auth", text, flags=re.MULTILINE) is not None) is people
    file = tmp_path / "Caddyfile"
    file.write_text(text)
    run("caddy", "validate", "--adapter", "caddyfile", "--config", file)


# -- monitoring --------------------------------------------------------------------------------------------------------


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the alerts and of the dashboard, with what it is for."""
    rules = yaml.safe_load((DEPLOY / "marquee.rules.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"].removeprefix("label_values(").rpartition(",")[0]


QUERIES = list(queries())


@pytest.fixture(scope="module")
def exposed() -> Iterator[set[str]]:
    """The names of all samples that Marquee gives Prometheus, and ``up``, which Prometheus makes itself."""
    use(fake_services(Settings(api_key=None)))
    client = Client(api_for(None))
    assert client.get("/health/live").status_code == 200
    samples = client.get("/metrics").text.splitlines()
    yield {re.split(r"[{ ]", line, maxsplit=1)[0] for line in samples if not line.startswith("#")} | {"up"}
    use(None)


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_every_query_names_what_marquee_exposes(title: str, query: str, exposed: set[str]) -> None:
    bare = re.sub(r"\{.*?[^{]\}(?=[\s\[)]|$)|\[[^]]*\]|\((?:le|route|status)(?:, \w+)*\)", "", query)
    names = set(re.findall(r"(?<![\w.])[a-z_]+", bare)) - PARTS_OF_PROMQL
    assert names
    assert names <= exposed


def test_every_route_and_state_in_queries_is_one() -> None:
    everything = " ".join(query for _, query in QUERIES)
    routes, states = (set(re.findall(rf'{label}="([^"]+)"', everything)) for label in ("route", "state"))
    assert routes
    assert routes <= {route.path_format for route in api_for(None).state.routes}
    assert states
    assert states <= set(State)


def test_prometheus_accepts_the_alerts() -> None:
    run("promtool", "check", "rules", "marquee.rules.yml", at=DEPLOY)


def test_prometheus_accepts_the_scrape_configuration(tmp_path: Path) -> None:
    text = (DEPLOY / "prometheus.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["scrape_configs"][0]["metrics_path"] == "/api/metrics"
    shutil.copy(DEPLOY / "marquee.rules.yml", tmp_path)
    (tmp_path / "key").write_text("secret")
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/marquee.key", "key"))
    run("promtool", "check", "config", "prometheus.yml", at=tmp_path)

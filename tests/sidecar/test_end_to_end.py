"""The real server: ratings go in by HTTP, and lists, reasons and metrics come out, also after a restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pandas as pd
import pytest

from tests.conftest import planted

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120
USER, MOVIE = "https://boxd.it/user/1", "https://boxd.it/2a"
SCRIPT = "<script>alert(1)</script>"


def until(done: Callable[[], Any], what: str) -> Any:
    """What ``done`` returns once it is true."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE_S} s for {what}")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@dataclass
class Server:
    """``python app.py`` on a free port with a store of its own."""

    folder: Path
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        env = os.environ | {
            "MARQUEE_DATABASE_URL": f"sqlite:///{self.folder}/marquee.db",
            "MARQUEE_HOST": "127.0.0.1",
            "MARQUEE_PORT": str(self.port),
            "MARQUEE_DEMO": "0",
            "MARQUEE_API_KEY": "",
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stdout=log, stderr=log)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        until(self.is_up, f"the server, whose log is {self.log()}")

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.client.get("/api/health/live").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(30)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.ask("GET", path, status, **options)

    def post(self, path: str, status: int = 200, **options: Any) -> Any:
        return self.ask("POST", path, status, **options)

    def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        answer = self.client.request(method, f"/api{path}", **options)
        assert answer.status_code == status, answer.text
        assert ("problem" in answer.headers["content-type"]) is (status >= 400)
        return answer.json()

    def finished_job(self, job_id: int) -> dict[str, Any]:
        def ended() -> Any:
            job = self.get(f"/jobs/{job_id}")
            return job if job["state"] not in {"queued", "running"} else None

        return until(ended, f"job {job_id}")

    def finished_run(self, run_id: int | None = None) -> dict[str, Any]:
        query = "" if run_id is None else f"?run_id={run_id}"

        def ended() -> Any:
            answer = self.client.get(f"/api/ml/training-status{query}")
            run = answer.json()
            return run if answer.status_code == 200 and run["state"] not in {"queued", "running"} else None

        return until(ended, f"run {run_id}")


def as_movielens() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The planted ratings in MovieLens's columns, with ids that hold slashes and a title that holds markup."""
    ratings, movies = planted()
    ratings = ratings.replace({"user_id": {"u1": USER}, "movie_id": {"m2": MOVIE}})
    movies = movies.replace({"movie_id": {"m2": MOVIE}, "title": {"Movie 3": SCRIPT}})
    ratings.columns = pd.Index(["userId", "movieId", "rating", "timestamp"])
    titles = [
        f"{title} ({year:.0f})" if year == year else title
        for title, year in zip(movies.title, movies.year, strict=True)
    ]
    return ratings, pd.DataFrame({"movieId": movies.movie_id, "title": titles, "genres": movies.genres})


RATINGS, MOVIES = as_movielens()


def seen_by(user_id: str) -> set[str]:
    return set(RATINGS[RATINGS.userId == user_id].movieId)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Started on an empty store."""
    started = Server(tmp_path_factory.mktemp("store"))
    started.start()
    yield started
    assert started.stop() in {0, -signal.SIGTERM}, started.log()
    assert "Traceback" not in started.log()


@pytest.fixture(scope="module")
def empty(server: Server) -> dict[str, Any]:
    """What an empty Marquee answers."""
    return {
        path: server.get(path, 503)
        for path in ("/health/ready", "/ml/recommendations/1", "/ml/explain/1/2", "/ml/metrics")
    } | {
        "/ml/train": server.post("/ml/train", 503, json={}),
        "/ml/training-status": server.get("/ml/training-status", 404),
        "/ml/models": server.get("/ml/models"),
        "/data/statistics": server.get("/data/statistics"),
    }


@pytest.fixture(scope="module")
def imported(server: Server, empty: dict[str, Any]) -> dict[str, Any]:
    """The job that imported the ratings."""
    broken = RATINGS.to_csv(index=False) + "u5,m5,ninety,1\n"
    files = [
        ("files", ("ratings.csv", broken.encode())),
        ("files", ("movies.csv", MOVIES.to_csv(index=False).encode())),
    ]
    return server.finished_job(server.post("/data/imports", 202, files=files)["job_id"])


@pytest.fixture(scope="module")
def trained(server: Server, imported: dict[str, Any]) -> dict[str, Any]:
    """The first run, which an import into an empty store starts."""
    run = server.finished_run()
    until(lambda: server.client.get("/api/health/ready").status_code == 200, "readiness")
    return run


def test_an_empty_store_says_what_to_do(empty: dict[str, Any]) -> None:
    for path in ("/health/ready", "/ml/recommendations/1", "/ml/explain/1/2", "/ml/metrics", "/ml/train"):
        assert empty[path]["code"] == "not_ready"
        assert "mport" in empty[path]["detail"], path
    assert empty["/ml/training-status"]["code"] == "unknown_run"
    assert empty["/ml/models"] == {"active_version": None, "models": [], "next": None}
    assert empty["/data/statistics"]["ratings"] == 0


def test_the_import(server: Server, imported: dict[str, Any]) -> None:
    assert imported["state"] == "succeeded", imported
    result = imported["result"]
    assert (result["ratings_added"], result["users_added"], result["movies_added"]) == (1500, 60, 80)
    assert result["rows_rejected"] == 1
    (rejected,) = result["rejected"]
    assert (rejected["code"], rejected["rows"]) == ("rating_unreadable", 1)
    assert rejected["lines"] == [{"file": "ratings.csv", "line": 1502}]
    statistics = server.get("/data/statistics")
    assert (statistics["users"], statistics["movies"], statistics["ratings"]) == (60, 80, 1500)
    assert server.get("/jobs/999", 404)["code"] == "unknown_job"


def test_the_first_version(server: Server, trained: dict[str, Any]) -> None:
    assert trained["state"] == "succeeded", trained
    assert trained["history"]
    assert server.get("/health/ready")["model_version"] == trained["version"]
    metrics = server.get("/ml/metrics")
    assert metrics["version"] == trained["version"]
    assert (
        metrics["metrics"]["rmse"]["low"] <= metrics["metrics"]["rmse"]["value"] <= metrics["metrics"]["rmse"]["high"]
    )
    assert {"rmse", "mae", "precision_at_k", "recall_at_k", "ndcg_at_k", "coverage"} <= set(metrics["metrics"])


@pytest.mark.parametrize("user_id", ["u0", USER])
def test_recommendations(server: Server, trained: dict[str, Any], user_id: str) -> None:
    found = server.get(f"/ml/recommendations/{quote(user_id, safe='')}?n=20")
    ids = [item["movie_id"] for item in found["items"]]
    assert (found["user_id"], found["status"], len(set(ids))) == (user_id, "personal", 20)
    assert not set(ids) & seen_by(user_id)
    assert [item["rank"] for item in found["items"]] == list(range(1, 21))
    scores = [item["score"] for item in found["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in found["items"]:
        assert 0.5 <= item["predicted_rating"] <= 5
        if item["interval"] is not None:
            assert item["interval"][0] <= item["predicted_rating"] <= item["interval"][1]


def test_recommendations_with_filters(server: Server, trained: dict[str, Any]) -> None:
    found = server.get(
        f"/ml/recommendations/u0?n=5&genre=War&year_from=1990&diversity=0.5&rank_by=rating&exclude={MOVIE}"
    )
    assert found["items"]
    for item in found["items"]:
        assert "War" in item["genres"]
        assert item["year"] >= 1990
        assert item["movie_id"] != MOVIE


def test_a_stranger_gets_a_list_too(server: Server, trained: dict[str, Any]) -> None:
    found = server.get("/ml/recommendations/nobody?n=10")
    assert (found["status"], len(found["items"])) == ("unknown_user", 10)
    assert found["reason"]


def test_titles_are_data(server: Server, trained: dict[str, Any]) -> None:
    titles = {item["title"] for item in server.get("/ml/recommendations/nobody?n=100")["items"]}
    assert SCRIPT in titles


def test_predictions(server: Server, trained: dict[str, Any]) -> None:
    rows = [{"user_id": user, "movie_id": movie} for user, movie in zip(RATINGS.userId, RATINGS.movieId, strict=True)]
    found = server.post("/ml/predict", json={"pairs": [*rows, {"user_id": "nobody", "movie_id": "nothing"}]})
    assert len(found["predictions"]) == 1501
    predicted = pd.Series([each["predicted_rating"] for each in found["predictions"]])
    assert predicted.between(0.5, 5).all()
    assert predicted[:1500].corr(RATINGS.rating) > 0.2  # in the order of the request
    assert [each["fallback"] is None for each in found["predictions"]] == [True] * 1500 + [False]


@pytest.mark.parametrize("user_id", ["u0", USER])
def test_explanations_add_up(server: Server, trained: dict[str, Any], user_id: str) -> None:
    user = quote(user_id, safe="")
    items = server.get(f"/ml/recommendations/{user}?n=5")["items"]
    assert len(items) == 5
    for item in items:
        why = server.get(f"/ml/explain/{user}/{quote(item['movie_id'], safe='')}")
        total = why["baseline"] + sum(part["share"] for part in why["contributions"]) + why["residual"]
        assert total == pytest.approx(why["score"], abs=1e-4)
        assert why["score"] == pytest.approx(item["score"], abs=1e-4)
        assert why["text"]
        assert why == server.get("/ml/explain", params={"user_id": user_id, "movie_id": item["movie_id"]})
    assert server.get(f"/ml/explain/{user}/nothing", 404)["code"] == "unknown_movie"


def test_a_rating_changes_the_next_list(server: Server, trained: dict[str, Any]) -> None:
    first = server.get("/ml/recommendations/u7?n=1")["items"][0]["movie_id"]
    body = {"user_id": "u7", "movie_id": first, "rating": 0.5}
    receipt = server.post("/rate", json=body)
    assert (receipt["previous_rating"], receipt["embedding_updated"]) == (None, True)
    assert abs(receipt["predicted_after"] - 0.5) <= abs(receipt["predicted_before"] - 0.5)
    assert first not in {item["movie_id"] for item in server.get("/ml/recommendations/u7?n=100")["items"]}
    assert server.post("/rate", json=body | {"rating": 5})["previous_rating"] == 0.5


def test_ratings_that_are_refused(server: Server, trained: dict[str, Any]) -> None:
    before = server.get("/data/statistics")["ratings"]
    assert (
        server.post("/rate", 404, json={"user_id": "u7", "movie_id": "nothing", "rating": 4})["code"] == "unknown_movie"
    )
    wrong = server.post("/rate", 422, json={"user_id": "u7", "movie_id": MOVIE, "rating": 9})
    assert (wrong["code"], wrong["field"]) == ("invalid_rating", "rating")
    assert server.get("/data/statistics")["ratings"] == before


def test_versions(server: Server, trained: dict[str, Any]) -> None:
    first = server.get("/ml/models")["active_version"]
    body = {"hyperparameters": {"factors": 4, "epochs": 3}, "activate": "never"}
    run = server.finished_run(server.post("/ml/train", 202, json=body)["run_id"])
    assert (run["state"], run["hyperparameters"]["factors"]) == ("succeeded", 4)
    second = run["version"]
    assert second > first
    assert server.get("/ml/models")["active_version"] == first
    assert server.post(f"/ml/models/activate/{second}", json={"reason": "a test"}) == {"active_version": second}
    assert server.get("/ml/recommendations/u0")["model_version"] == second
    assert server.post("/ml/models/rollback") == {"active_version": first}
    listed = server.get("/ml/models")
    assert [(each["version"], each["active"]) for each in listed["models"]] == [(second, False), (first, True)]
    assert server.post("/ml/models/activate/999", 404)["code"] == "unknown_version"


def test_one_training_at_a_time_and_cancelled(server: Server, trained: dict[str, Any]) -> None:
    active = server.get("/ml/models")["active_version"]
    body = {"hyperparameters": {"factors": 1000, "epochs": 1000, "patience": 0}}
    run_id = server.post("/ml/train", 202, json=body)["run_id"]
    busy = server.post("/ml/train", 409, json={})
    assert (busy["code"], busy["run_id"]) == ("training_busy", run_id)
    server.post(f"/ml/training-runs/{run_id}/cancel", 202)
    assert server.finished_run(run_id)["state"] == "cancelled"
    assert server.get("/ml/models")["active_version"] == active
    wrong = server.post("/ml/train", 422, json={"hyperparameters": {"factors": 0}})
    assert (wrong["code"], wrong["field"]) == ("invalid_hyperparameter", "factors")
    assert server.post("/ml/training-runs/999/cancel", 404)["code"] == "unknown_run"


@pytest.fixture(scope="module")
def retrained(server: Server, trained: dict[str, Any]) -> int:
    """A second version, by the hyperparameters of the first; it does not serve."""
    body = {"version": trained["version"], "activate": "never", "queue": True}
    run = server.finished_run(server.post("/ml/retrain", 202, json=body)["run_id"])
    assert (run["state"], run["hyperparameters"]) == ("succeeded", trained["hyperparameters"]), run
    return int(run["version"])


def test_a_version_is_trained_again_exactly(server: Server, retrained: int) -> None:
    known = len(server.get("/ml/models")["models"])
    run = server.finished_run(server.post("/ml/retrain", 202, json={"version": retrained, "exact": True})["run_id"])
    assert (run["state"], run["repeats"], run["repeated"]) == ("succeeded", retrained, True), run
    assert len(server.get("/ml/models")["models"]) == known
    assert server.post("/ml/retrain", 404, json={"version": 999})["code"] == "unknown_version"
    assert server.post("/ml/retrain", 422, json={"exact": True})["field"] == "version"


def test_trainings_wait_for_their_turn(server: Server, trained: dict[str, Any]) -> None:
    body = {"hyperparameters": {"factors": 1000, "epochs": 1000, "patience": 0}, "activate": "never"}
    first = server.post("/ml/train", 202, json=body)["run_id"]
    second = server.post("/ml/train", 202, json=body | {"queue": True})["run_id"]
    listed = server.get("/ml/training-runs?limit=2")["runs"]
    assert [run["run_id"] for run in listed] == [second, first]
    assert listed[0]["state"] == "queued"
    assert server.post(f"/ml/training-runs/{second}/cancel", 202)["state"] == "cancelled"
    server.post(f"/ml/training-runs/{first}/cancel", 202)
    assert server.finished_run(first)["state"] == "cancelled"


def test_versions_side_by_side(server: Server, trained: dict[str, Any], retrained: int) -> None:
    first = trained["version"]
    found = server.get(f"/ml/models/compare?versions={first},{retrained}&baseline={first}")
    assert [each["version"] for each in found["versions"]] == [first, retrained]
    (comparison,) = found["comparisons"]
    assert (comparison["version"], comparison["baseline"]) == (retrained, first)
    assert comparison["text"]
    history = server.get("/ml/metrics/history?metric=rmse")["history"]
    assert [each["version"] for each in history] == sorted(each["version"] for each in history)
    assert {"rmse"} == {name for each in history for name in each["metrics"]}
    assert server.get(f"/ml/metrics?version={retrained}")["metrics"]["rmse"] == history[-1]["metrics"]["rmse"]
    assert server.get("/ml/metrics/history?metric=luck", 422)["field"] == "metric"
    assert server.get("/ml/models/compare?versions=1,999", 404)["code"] == "unknown_version"


def test_a_version_goes_out_and_comes_in_as_a_file(server: Server, retrained: int) -> None:
    described = server.ask("PATCH", f"/ml/models/{retrained}", 200, json={"note": "mine", "tags": ["keep"]})
    assert (described["note"], described["tags"]) == ("mine", ["keep"])
    answer = server.client.get(f"/api/ml/models/{retrained}/export")
    assert int(answer.headers["content-length"]) == len(answer.content)
    imported = server.post("/ml/models/import", 201, files=[("file", ("v.zip", answer.content))])["version"]
    assert server.get(f"/ml/models/{imported}")["digest"] == described["digest"]
    assert server.post(f"/ml/models/activate/{imported}") == {"active_version": imported}
    assert server.ask("DELETE", f"/ml/models/{imported}", 409)["code"] == "version_unavailable"
    server.post("/ml/models/rollback")
    gone = server.ask("DELETE", f"/ml/models/{imported}", 200)
    assert (gone["state"], gone["freed_bytes"] > 0) == ("deleted", True)
    assert server.ask("DELETE", f"/ml/models/{imported}", 200)["freed_bytes"] == 0
    assert server.get(f"/ml/models/{imported}/export", 409)["code"] == "version_unavailable"
    broken = bytearray(answer.content)
    broken[len(broken) // 2] ^= 1
    assert server.post("/ml/models/import", 422, files=[("file", ("v.zip", bytes(broken)))])["field"] == "file"


def test_a_study(server: Server, trained: dict[str, Any]) -> None:
    study_id = server.post("/ml/tuning", 202, json={"trials": 1000, "folds": 2, "minutes": 60})["study_id"]
    busy = server.post("/ml/tuning", 409, json={})
    assert (busy["code"], busy["study_id"]) == ("tuning_busy", study_id)
    server.post(f"/ml/tuning/{study_id}/stop", 202)

    def ended() -> Any:
        study = server.get(f"/ml/tuning/{study_id}")
        return study if study["state"] not in {"queued", "running"} else None

    stopped = until(ended, "the stop")
    assert stopped["state"] == "stopped"
    trials = stopped["trials_done"] + 2
    server.post(f"/ml/tuning/{study_id}/resume", 202, json={"trials": trials})
    study = until(ended, "the study")
    assert (study["state"], study["trials_done"]) == ("succeeded", trials), study
    assert study["history"][0]["hyperparameters"]
    assert [each["study_id"] for each in server.get("/ml/tuning")["studies"]] == [study_id]
    body = {"trial": study["best"]["number"], "activate": "never"}
    run = server.finished_run(server.post(f"/ml/tuning/{study_id}/train", 202, json=body)["run_id"])
    assert run["state"] == "succeeded"
    assert study["best"]["hyperparameters"].items() <= run["hyperparameters"].items()
    assert server.get("/ml/tuning/999", 404)["code"] == "unknown_study"
    assert server.post(f"/ml/tuning/{study_id}/train", 422, json={"trial": 999})["field"] == "trial"


def test_console_and_description_share_the_port(server: Server) -> None:
    page = server.client.get("/")
    assert page.status_code == 200
    assert "frame-ancestors" in page.headers["content-security-policy"]
    assert server.client.get("/api/docs").status_code == 200
    assert server.client.get("/", headers={"Host": "evil.example"}).status_code == 421
    refused = server.client.post("/_stcore/agent/interact", headers={"Origin": "http://evil.example"}, json={})
    assert refused.status_code == 403


def test_what_was_answered_is_there_after_a_restart(server: Server, trained: dict[str, Any]) -> None:
    version = server.get("/health/ready")["model_version"]
    for number in range(20):
        server.post("/rate", json={"user_id": "late", "movie_id": f"m{number + 10}", "rating": 4.5})
    found = server.get("/ml/recommendations/late?n=5")
    server.kill()
    server.start()
    assert server.get("/health/ready")["model_version"] == version
    again = server.get("/ml/recommendations/late?n=5")
    assert [item["movie_id"] for item in again["items"]] == [item["movie_id"] for item in found["items"]]
    body = {"user_id": "late", "movie_id": "m10", "rating": 4.5}
    assert server.post("/rate", json=body)["previous_rating"] == 4.5

"""Each background worker in turn dies: readiness names it, a notice tells it, and it begins again where it was."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.data.plan import ImportOptions
from engine.runtime import Runtime, build
from engine.services.notices import NotifyingService
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from sidecar.app import create_api
from store.notices import NoticeStore
from tests.engine.services.conftest import QUICK, fill, finished, wait_for
from tests.sidecar.client import Client

Start = Callable[[], Runtime]
NAMES = ("training", "tuning", "import", "automation", "notices", "storage", "store-writer")


def gone(*_: Any, **__: Any) -> Any:
    raise SystemExit("gone")


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set how long a dead worker stays dead."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr("store.worker.PAUSE_S", seconds)
        monkeypatch.setattr("store.worker.MAX_PAUSE_S", seconds)

    return set_to


@pytest.fixture
def start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    for service in ("automation", "storage"):  # which look at the clock every 20 seconds
        monkeypatch.setattr(f"engine.services.{service}.LOOK_S", 0.2)
    made: list[Runtime] = []

    def begin() -> Runtime:
        made.append(build(settings))
        made[-1].start()
        fill(made[-1])
        return made[-1]

    yield begin
    for runtime in made:
        runtime.stop()


def kill(runtime: Runtime, name: str, patch: pytest.MonkeyPatch) -> Any:
    """Make something in the worker's loop end it, and give it that to do; what it then has in hand."""
    services = runtime.services
    if name == "training":
        patch.setattr("engine.services.trainer.learn", gone)
        return services.training.train_model("svd", QUICK)
    if name == "tuning":
        patch.setattr(services.tuning, "_go_on", gone)
        return services.tuning.start("svd", 2, 2)
    if name == "import":
        patch.setattr("engine.services.import_task.Import.write", gone)
        return bring(runtime)
    if name in ("automation", "storage"):
        patch.setattr(getattr(services, name).worker, "_idle", gone)
    if name == "notices":
        patch.setattr(NotifyingService, "look", gone)
    if name == "store-writer":
        patch.setattr(runtime.database.writer, "_undo", gone)
        with pytest.raises(ZeroDivisionError):
            runtime.database.write(lambda _: 1 // 0)
    return None


def bring(runtime: Runtime) -> int:
    text = b"user,movie,rating\nnew,m1,4\n"
    return runtime.services.imports.import_files(
        [UploadedFile("mine.csv", io.BytesIO(text))], ImportOptions(scale=[0.5, 5.0])
    )


def notices(runtime: Runtime) -> list[str]:
    return [one.text for one in NoticeStore(runtime.database).newest() if one.topic == "workers"]


@pytest.mark.parametrize("name", NAMES)
def test_readiness_names_the_one_that_is_dead(
    start: Start, pause: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pause(600.0)
    runtime = start()
    client = Client(create_api(runtime.settings))
    assert finished(runtime, runtime.services.training.train_model("svd", QUICK)).state == "succeeded"
    assert client.get("/health/ready").status_code == 200
    with monkeypatch.context() as patch:
        kill(runtime, name, patch)
        wait_for(lambda: runtime.services.dead_workers() == [name])
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert name in answer.json()["detail"]
        assert client.get("/health/live").status_code == 200
    if name != "store-writer":  # which writes this very notice when it has begun again
        wait_for(lambda: len(notices(runtime)) == 1)
        assert f"worker {name} stopped unexpectedly (SystemExit: gone)" in notices(runtime)[0]


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_again_and_is_a_notice(
    start: Start, pause: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pause(0.01)
    runtime = start()
    with monkeypatch.context() as patch:
        kill(runtime, name, patch)
        wait_for(lambda: any(f"worker {name} " in text for text in notices(runtime)))
    wait_for(lambda: runtime.services.dead_workers() == [])
    assert finished(runtime, runtime.services.training.train_model("svd", QUICK)).state == "succeeded"
    job_id = bring(runtime)
    wait_for(lambda: runtime.services.imports.job(job_id).state == "succeeded")


def test_what_a_worker_had_in_hand_ends_with_a_reason(
    start: Start, pause: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what waited behind it goes on."""
    pause(0.01)
    runtime = start()
    services = runtime.services
    with monkeypatch.context() as patch:
        run_id = kill(runtime, "training", patch)
        run = finished(runtime, run_id)
        assert (run.state, run.error) == ("failed", "The training ended unexpectedly: SystemExit: gone. Train again.")
    assert services.training.current() is None
    with monkeypatch.context() as patch:
        study_id = kill(runtime, "tuning", patch)
        wait_for(lambda: services.tuning.status(study_id).state == "failed")
        assert "SystemExit: gone. Resume it to go on" in str(services.tuning.status(study_id).error)
    wait_for(lambda: services.tuning.worker.is_alive())
    with monkeypatch.context() as patch:
        job_id = kill(runtime, "import", patch)
        wait_for(lambda: services.imports.job(job_id).state == "failed")
        assert "The import ended unexpectedly: SystemExit: gone." in str(services.imports.job(job_id).error)


def test_runs_that_wait_behind_one_over_which_the_worker_dies_go_on(
    start: Start, pause: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pause(0.01)
    runtime = start()
    training, train = runtime.services.training, runtime.services.training.trainer._train

    def die_once(*args: Any) -> None:
        monkeypatch.setattr(training.trainer, "_train", train)
        second.append(training.train_model("svd", QUICK, queue=True))
        raise SystemExit("gone")

    second: list[int] = []
    monkeypatch.setattr(training.trainer, "_train", die_once)
    first = training.train_model("svd", QUICK)
    assert finished(runtime, first).state == "failed"
    assert finished(runtime, second[0]).state == "succeeded"


def test_no_look_up_of_a_package_ends_a_training(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it fails now and then while Streamlit changes where packages are looked for."""
    fill(runtime)
    monkeypatch.setattr("importlib.metadata.version", gone)
    status = finished(runtime, runtime.services.training.train_model("svd", QUICK))
    assert (status.state, sorted(status.packages)) == (
        "succeeded",
        ["numba", "numpy", "python", "scikit-learn", "scikit-surprise", "scipy"],
    )


def test_a_run_ends_although_what_it_noted_of_itself_can_not_be_told(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise LookupError("oops")

    fill(runtime)
    with monkeypatch.context() as patch:
        patch.setattr("engine.services.run_log.peak_memory", broken)
        status = finished(runtime, runtime.services.training.train_model("svd", QUICK))
        assert (status.state, status.error) == ("failed", "An unexpected error ended the run: LookupError: oops")
    assert runtime.services.training.trainer.worker.is_alive()
    assert finished(runtime, runtime.services.training.train_model("svd", QUICK)).state == "succeeded"

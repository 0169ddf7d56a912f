"""What the audit log says of use cases, whoever asks for them, and that nobody who was erased stays in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.data.plan import ImportOptions
from engine.errors import InvalidInput, UnknownUser, UnknownVersion, VersionUnavailable
from engine.runtime import Runtime
from engine.services.acting import MARQUEE, Actor, act_as, actor, ask
from engine.services.audit import phrase
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from tests.engine.services.conftest import QUICK, finished, opened, trained_store, wait_for


@pytest.fixture
def trained(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        yield runtime


def told(runtime: Runtime) -> list[tuple[str, str, str]]:
    """Action, subject and result, oldest first, without the first: that of the version that the store came with."""
    return [(one.action, one.subject, one.result) for one in runtime.services.audit.entries(100)][::-1][1:]


def test_versions_and_imports(trained: Runtime, tmp_path: Path) -> None:
    services = trained.services
    second = finished(trained, services.training.train_model("svd", QUICK, "always")).version
    services.versions.rollback()
    assert second is not None
    services.versions.activate(second, reason="it is newer")
    exported = services.version_files.export(second)
    third = services.version_files.import_file(exported.stream)
    exported.stream.close()
    services.versions.delete(third)
    with pytest.raises(UnknownVersion):
        services.versions.delete(99)
    with pytest.raises(VersionUnavailable):
        services.versions.activate(third)
    file = tmp_path / "mine.csv"
    file.write_text("user,movie,rating\nann,m1,4\n")
    with file.open("rb") as stream:
        job = services.imports.import_files([UploadedFile("mine.csv", stream)], ImportOptions(scale=[0.5, 5.0]))
    wait_for(lambda: services.imports.job(job).state.is_finished)
    with pytest.raises(InvalidInput):
        services.imports.import_files([])
    run = services.training.runs(limit=1)[0]
    assert told(trained) == [
        ("version activated", f"version {second}, trained by run {run.run_id} for {run.actor}", "done"),
        ("rolled back", "version 1", "done"),
        ("version activated", f"version {second}", "done"),
        ("version exported", f"version {second}", "done"),
        ("version imported", f"version {third}", "done"),
        ("version deleted", f"version {third}", "done"),
        ("version deleted", "version 99", "unknown version"),
        ("version activated", f"version {third}", "version unavailable"),
        ("import", f"ratings, job {job}", "done"),
        ("import", "ratings", "invalid input"),
    ]


def test_who_is_erased_is_a_hash_in_it(trained: Runtime, settings: Settings) -> None:
    services, name = trained.services, "somebody-whom-nobody-is-to-find"
    services.ratings.rate(name, "m1", 4.0)
    services.ratings.forget(name)
    with pytest.raises(UnknownUser):
        services.ratings.forget(name)
    hashed = services.audit.hashed(name)
    assert told(trained) == [
        ("user erased", f"user {hashed}", "done"),
        ("user erased", f"user {hashed}", "unknown user"),
    ]
    trained.database.checkpoint()
    assert name.encode() not in Path(settings.database_url.removeprefix("sqlite:///")).read_bytes()


def test_the_hash_is_the_same_after_a_restart(settings: Settings) -> None:
    hashes = set()
    for _ in range(2):
        with opened(settings) as runtime:
            hashes.add(runtime.services.audit.hashed("ann"))
    assert len(hashes) == 1


def test_what_was_recorded_is_there_after_a_stop(settings: Settings) -> None:
    with opened(settings) as runtime:
        for place in range(200):
            runtime.services.audit.record("one", str(place))
    with opened(settings) as runtime:
        assert len(runtime.services.audit.entries(1000)) == 200


def test_who_acts_is_whoever_asks() -> None:
    from contextvars import copy_context

    shop, person = Actor("shop", "203.0.113.7"), Actor("console, shop")
    assert actor() == MARQUEE
    context = copy_context()
    context.run(act_as, shop)
    assert context.run(actor) == shop
    assert actor() == MARQUEE
    ask(lambda: person)
    try:
        assert actor() == person
        assert context.run(actor) == shop
    finally:
        ask(lambda: None)


def test_results_are_phrases_also_where_earlier_releases_stored_class_names() -> None:
    assert [phrase(one) for one in ("UnknownBackup", "unknown backup", "DiskFull", "done")] == [
        "unknown backup",
        "unknown backup",
        "disk full",
        "done",
    ]

"""Backups hold everything that was acknowledged before, are checked, and lead back to the same store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pysqlite3.dbapi2 as sqlite
import pytest

from store import backups, generation
from store.__main__ import main
from store.database import Database
from store.errors import StoreError, StoreInUse, UnusableBackup
from store.ratings import RatingStore
from store.records import MovieRow
from tests.store.children import rate_and_kill
from tests.store.conftest import fill
from tests.store.test_migrations import REVISIONS, migrate

NOW = 1_700_000_000.0
DAY_S = 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{path}", clock=lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def ratings(database: Database) -> RatingStore:
    store = RatingStore(database)
    store.add_movies([MovieRow(f"m{n}", f"Movie {n}", 1990 + n, ("Drama",)) for n in range(30)])
    fill(store)
    return store


def run(path: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["--database", f"sqlite:///{path}", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_backup_is_the_store_at_one_moment_with_a_manifest(
    database: Database, ratings: RatingStore, tmp_path: Path
) -> None:
    reported: list[float] = []
    made = database.back_up(tmp_path / "backups", reason="asked", report=reported.append)
    assert backups.read_manifest(tmp_path / "backups" / made.name) == made
    counts = ratings.counts()
    assert (made.users, made.movies, made.ratings) == (counts.users, counts.movies, counts.ratings)
    assert (made.revision, made.identity, made.made_at) == (ratings.revision(), database.identity, NOW)
    assert reported[-1] == 1
    assert backups.verify(tmp_path / "backups" / made.name).ratings == made.ratings
    assert sorted(one.name for one in (tmp_path / "backups").iterdir()) == [made.name, f"{made.name}.json"]


def test_everything_acknowledged_before_is_in_it_while_others_write(
    database: Database, ratings: RatingStore, tmp_path: Path
) -> None:
    stop, acknowledged = Event(), []

    def rate() -> None:
        n = 0
        while not stop.is_set():
            ratings.put_rating(f"live {n}", "m0", 4.0, n)
            acknowledged.append(f"live {n}")
            n += 1

    thread = Thread(target=rate)
    thread.start()
    try:
        for n in range(3):
            before = len(acknowledged)
            made = database.back_up(tmp_path / f"backups {n}", reason="asked")
            connection = sqlite.connect(str(tmp_path / f"backups {n}" / made.name))
            held = {row[0] for row in connection.execute("SELECT external_id FROM users")}
            connection.close()
            assert held >= set(acknowledged[:before])
    finally:
        stop.set()
        thread.join()
    assert database.check() == []


def test_a_backup_that_is_called_off_leaves_nothing(database: Database, ratings: RatingStore, tmp_path: Path) -> None:
    class CalledOff(Exception):
        pass

    def report(_: float) -> None:
        raise CalledOff

    with pytest.raises(CalledOff):
        database.back_up(tmp_path / "backups", reason="asked", report=report)
    assert list((tmp_path / "backups").iterdir()) == []
    assert ratings.put_rating("u0", "m0", 1.0, 1).rating == 1.0


def test_what_a_backup_that_was_killed_left_behind_is_removed_by_a_later_one(
    database: Database, ratings: RatingStore, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    old, going = folder / "a.db.part", folder / "b.db.part"
    for part in (old, going):
        part.write_bytes(b"x")
    os.utime(old, (1, 1))
    made = database.back_up(folder, reason="asked")
    assert sorted(one.name for one in folder.iterdir()) == ["b.db.part", made.name, f"{made.name}.json"]


def test_a_folder_that_can_not_be_written_to_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="could not be written to"):
        database.back_up(tmp_path / "file" / "backups", reason="asked")


def test_restoring_leads_back_and_keeps_what_was_replaced(
    database: Database, ratings: RatingStore, path: Path, tmp_path: Path
) -> None:
    made = database.back_up(tmp_path / "backups", reason="asked")
    before = ratings.load()
    ratings.put_rating("later", "m0", 4.0, 1)
    with pytest.raises(StoreInUse):
        backups.restore(tmp_path / "backups" / made.name, path, now=NOW)
    database.close()
    kept = backups.restore(tmp_path / "backups" / made.name, path, now=NOW)
    again = Database.open(f"sqlite:///{path}")
    after = RatingStore(again).load()
    assert (after.ratings == before.ratings).all()
    assert RatingStore(again).user_key("later") is None
    again.close()
    assert kept is not None
    backups.restore(kept, path, now=NOW)
    again = Database.open(f"sqlite:///{path}")
    assert RatingStore(again).user_key("later") is not None
    again.close()


def test_what_a_killed_process_had_in_its_log_is_kept_when_it_is_replaced(path: Path, tmp_path: Path) -> None:
    rate_and_kill(path, 0, 20)
    database = Database.open(f"sqlite:///{path}")
    made = database.back_up(tmp_path / "backups", reason="asked")
    database.close()
    rate_and_kill(path, 20, 50)
    kept = backups.restore(tmp_path / "backups" / made.name, path, now=NOW)
    assert kept is not None
    assert [backups.verify(one).ratings for one in (path, kept)] == [20, 50]


@pytest.mark.parametrize("place", [0, 60, 4096, -1])
def test_a_damaged_backup_is_refused_and_the_store_stays(
    database: Database, ratings: RatingStore, path: Path, tmp_path: Path, place: int
) -> None:
    made = database.back_up(tmp_path / "backups", reason="asked")
    database.close()
    before = path.read_bytes()
    backup = tmp_path / "backups" / made.name
    content = bytearray(backup.read_bytes())
    content[place] ^= 0xFF
    backup.write_bytes(content)
    with pytest.raises(UnusableBackup, match="damaged"):
        backups.restore(backup, path, now=NOW)
    assert path.read_bytes() == before
    assert sorted(path.parent.glob("m.db*.re*")) == []


@pytest.mark.parametrize("damage", ["none", "pages", "cut"])
def test_a_file_without_a_manifest_is_checked_page_by_page(
    database: Database, ratings: RatingStore, path: Path, tmp_path: Path, damage: str
) -> None:
    made = database.back_up(tmp_path / "backups", reason="asked")
    database.close()
    backup = tmp_path / "backups" / made.name
    backup.with_name(f"{made.name}.json").unlink()
    content = bytearray(backup.read_bytes())
    if damage == "pages":
        content[4096:] = os.urandom(len(content) - 4096)
    backup.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    if damage == "none":
        backups.restore(backup, path, now=NOW)
    else:
        with pytest.raises(UnusableBackup):
            backups.restore(backup, path, now=NOW)


def test_another_programs_database_is_no_backup(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite.connect(str(other))
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    for one in (other, tmp_path / "missing.db"):
        with pytest.raises(UnusableBackup):
            backups.restore(one, path, now=NOW)
    assert not path.exists()


def test_old_backups_are_pruned_but_never_the_newest_three(
    database: Database, ratings: RatingStore, tmp_path: Path
) -> None:
    times = [NOW + day * DAY_S for day in range(6)]
    folder = tmp_path / "backups"
    for time in times:
        database.clock = lambda time=time: float(time)  # type: ignore[misc]
        database.back_up(folder, reason="schedule")
    assert len(backups.prune(folder, 2, times[-1])) == 3
    assert [one.made_at for one in backups.list_backups(folder)] == times[:2:-1]
    assert backups.prune(folder, 1, times[-1] + 1000 * DAY_S) == []


@pytest.mark.parametrize("schema", REVISIONS[:-1])
def test_a_copy_is_made_before_each_migration(path: Path, schema: str) -> None:
    migrate(path, schema)
    connection = sqlite.connect(str(path))
    connection.execute("INSERT INTO users VALUES (0, 'ann', 0)")
    connection.commit()
    connection.close()
    database = Database.open(f"sqlite:///{path}")
    database.close()
    (made,) = backups.list_backups(backups.folder_of(path))
    assert (made.reason, made.schema, made.users) == ("migration", schema, 1)
    assert any(made.name in text for _, text in database.findings)
    kept = backups.restore(backups.folder_of(path) / made.name, path, now=NOW)
    assert kept is not None
    again = Database.open(f"sqlite:///{path}")
    assert RatingStore(again).counts().users == 1
    again.close()


def test_no_copy_is_made_of_a_store_that_is_new_or_up_to_date(path: Path) -> None:
    for _ in range(2):
        Database.open(f"sqlite:///{path}").close()
    assert not backups.folder_of(path).exists()


# -- the commands ----------------------------------------------------------------------------------------------------


def test_the_commands_work_beside_a_marquee_that_has_the_store_open(
    database: Database, ratings: RatingStore, path: Path
) -> None:
    """In a process of its own: this one may not open the file a second time."""

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "store", "--database", f"sqlite:///{path}", "--json", *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    made = json.loads(command("backup").stdout)
    assert made["ratings"] == ratings.counts().ratings
    assert json.loads(command("check").stdout) == {"path": str(path), "sound": True, "faults": []}
    info = json.loads(command("info").stdout)
    assert info["identity"] == database.identity
    assert info["newest_backup"]["name"] == made["name"]
    refused = command("restore", made["name"])
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Another Marquee has" in refused.stderr
    assert ratings.put_rating("u0", "m0", 1.0, 1).rating == 1.0


def test_backup_and_restore_by_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rate_and_kill(path, 0, 30)
    Database.open(f"sqlite:///{path}").close()
    code, out, _ = run(path, "backup", "--keep-days", "30", capsys=capsys)
    assert code == 0
    assert "30 ratings" in out
    name = backups.list_backups(backups.folder_of(path))[0].name
    assert name in run(path, "backup", "--list", capsys=capsys)[1]
    rate_and_kill(path, 30, 60)
    code, out, _ = run(path, "restore", name, capsys=capsys)
    assert (code, "The previous store is m.db.replaced-" in out) == (0, True)
    assert "30" in run(path, "info", capsys=capsys)[1]
    assert run(path, "check", capsys=capsys)[:2] == (0, f"{path} is sound.\n")


def test_check_tells_what_is_damaged(
    database: Database, ratings: RatingStore, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database.write(lambda connection: connection.exec_driver_sql("UPDATE meta SET value = 3 WHERE name = 'ratings'"))
    database.close()
    code, out, _ = run(path, "check", capsys=capsys)
    assert code == 1
    assert "but the stored count is 3" in out


def test_commands_say_what_they_lack(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["backup"], ["check"], ["info"], ["restore", "none.db"]):
        code, out, err = run(path, *arguments, capsys=capsys)
        assert (code, out) == (2, "")
        assert "There is no" in err
    assert not path.exists()


def test_a_log_that_is_not_the_files_own_is_read_by_no_command(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate_and_kill(path, 0, 10)
    other = tmp_path / "elsewhere" / "m.db"
    other.parent.mkdir()
    for ending in ("", "-wal"):
        generation.beside(other, ending).write_bytes(generation.beside(path, ending).read_bytes())
    for arguments in (["backup"], ["check"], ["info"]):
        code, _, err = run(other, *arguments, capsys=capsys)
        assert code == 2
        assert "does not belong" in err
    Database.open(f"sqlite:///{other}").close()
    assert run(other, "check", capsys=capsys)[0] == 0


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + bytes(4000)])
def test_what_is_no_store_is_said_to_be_none(path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(content)
    code, out, err = run(path, "check", capsys=capsys)
    assert code == 1, err
    assert "Marquee store" in out
    for arguments in (["info"], ["backup"], ["restore", str(path)]):
        code, out, err = run(path, *arguments, capsys=capsys)
        assert (code, out) == (2, "")
        assert str(path.name) in err
    assert path.read_bytes() == content


def test_a_database_with_tables_of_our_names_is_refused_in_words(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = sqlite.connect(str(path))
    for table in ("alembic_version", "meta", "ratings", "model_versions"):
        connection.execute(f"CREATE TABLE {table} (x)")
    connection.close()
    for arguments in (["info"], ["check"], ["backup"], ["restore", str(path)]):
        code, out, err = run(path, *arguments, capsys=capsys)
        assert code in (1, 2)
        assert "can't be read as a Marquee store" in out + err


def test_reading_leaves_nothing_beside_a_file(
    database: Database, ratings: RatingStore, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database.close()
    copy = tmp_path / "copy" / "other.db"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert run(path, "restore", str(copy), capsys=capsys)[0] == 0
    assert run(path, "info", str(copy), capsys=capsys)[0] == 0
    assert [one.name for one in copy.parent.iterdir()] == ["other.db"]
    run(tmp_path / "typo" / "m.db", "info", capsys=capsys)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "odd",
    ['{"made_at": null}', '{"made_at": "yesterday"}', '{"name": 5}', '{"users": "many"}', "[" * 100_000, "[]", ""],
)
def test_a_manifest_that_makes_no_sense_is_passed_over(
    database: Database, ratings: RatingStore, tmp_path: Path, odd: str
) -> None:
    folder = tmp_path / "backups"
    made = database.back_up(folder, reason="asked")
    text = odd
    if odd.startswith("{"):
        text = json.dumps(json.loads((folder / f"{made.name}.json").read_text()) | json.loads(odd))
    (folder / "bad.db").write_bytes(b"x")
    (folder / "bad.db.json").write_text(text)
    assert backups.list_backups(folder) == [made]
    assert backups.prune(folder, 1, NOW + 100 * DAY_S) == []


def test_a_backup_is_called_what_its_file_is_called(database: Database, ratings: RatingStore, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = database.back_up(folder, reason="asked")
    (folder / made.name).rename(folder / "before the move.db")
    (folder / f"{made.name}.json").rename(folder / "before the move.db.json")
    assert [one.name for one in backups.list_backups(folder)] == ["before the move.db"]

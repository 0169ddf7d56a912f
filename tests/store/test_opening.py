"""Files that are not stores or can't be written to are refused with a sentence and left unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pysqlite3.dbapi2 as sqlite
import pytest

from store import opening
from store.connections import PRAGMAS
from store.database import Database
from store.errors import ForeignStore, StoreBusy, StoreError, StoreReadOnly
from store.ratings import RatingStore
from store.records import MovieRow
from tests.store.locker import locked

ROOT = Path(__file__).parents[2]
Made = Callable[[Path], None]


def sqlite_file(*statements: str, mode: str = "delete") -> Made:
    def make(path: Path) -> None:
        connection = sqlite.connect(str(path), isolation_level=None)
        connection.execute(f"PRAGMA journal_mode = {mode}")
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return make


def killed(*statements: str) -> Made:
    """All of it is still in the log beside the file, as after a kill."""

    def make(path: Path) -> None:
        script = (
            "import os, sys, pysqlite3.dbapi2 as sqlite\n"
            "connection = sqlite.connect(sys.argv[1], isolation_level=None)\n"
            "connection.execute('PRAGMA journal_mode = wal')\n"
            "for statement in sys.argv[2:]: connection.execute(statement)\n"
            "os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", script, str(path), *statements], check=True)
        assert path.with_name(path.name + "-wal").stat().st_size

    return make


def raw(content: bytes) -> Made:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Names, contents and times of change of all files but the index of a log, which is made from it at any time."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


SONGS = "CREATE TABLE songs (title TEXT)"
ALEMBIC = "CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('9f3a')"
NOT_OURS = {
    "another program's": sqlite_file(SONGS),
    "with a log": sqlite_file(SONGS, mode="wal"),
    "killed": killed(SONGS),
    "migrated by Alembic": sqlite_file(*ALEMBIC, SONGS),
    "of movies": sqlite_file(
        *ALEMBIC, *(f"CREATE TABLE {name} (id INTEGER)" for name in ("users", "movies", "ratings"))
    ),
    "nearly ours": sqlite_file(
        *ALEMBIC,
        "CREATE TABLE meta (name TEXT, value TEXT)",
        *(f"CREATE TABLE {name} (id INTEGER)" for name in ("ratings", "model_versions")),
    ),
    "text": raw(b"these are not the rows you are looking for" * 100),
    "short": raw(b"SQLite"),
    "a damaged header": raw(b"SQLite format 3\x00" + b"\xff" * 5000),
    "cut short": raw(b"SQLite format 3\x00"),
}


@pytest.mark.parametrize("made", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_no_store_is_refused_and_left_as_it_was(tmp_path: Path, made: Made) -> None:
    path = tmp_path / "music.db"
    made(path)
    before = state(tmp_path)
    with pytest.raises(ForeignStore, match=r"music\.db is not a Marquee store.* It was left unchanged"):
        Database.open(f"sqlite:///{path}")
    assert state(tmp_path) == before


def test_another_programs_database_that_is_in_use_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    sqlite_file(SONGS, mode="wal")(path)
    with locked(path, "INSERT INTO songs VALUES ('Hallelujah')"):
        before = state(tmp_path)
        with pytest.raises(ForeignStore, match="database of another program, with songs"):
            Database.open(f"sqlite:///{path}")
        assert state(tmp_path) == before


def test_the_first_tables_are_named(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    sqlite_file(*(f"CREATE TABLE t{n} (a)" for n in range(5)))(path)
    with pytest.raises(ForeignStore, match=r"with t0, t1, t2 and 2 more tables\. It was left"):
        Database.open(f"sqlite:///{path}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ForeignStore, match="is a folder, but MARQUEE_DATABASE_URL must name a file"):
        Database.open(f"sqlite:///{tmp_path}")
    assert list(tmp_path.iterdir()) == []


NOTHING_YET = {
    "empty": raw(b""),
    "without a table": sqlite_file("CREATE TABLE a (b)", "DROP TABLE a", "VACUUM"),
    "a first start that was killed": killed("BEGIN", "CREATE TABLE a (b)", "DROP TABLE a", "COMMIT"),
}


@pytest.mark.parametrize("made", NOTHING_YET.values(), ids=NOTHING_YET)
def test_a_file_that_holds_nothing_becomes_a_store(tmp_path: Path, made: Made) -> None:
    path = tmp_path / "new.db"
    made(path)
    database = Database.open(f"sqlite:///{path}")
    assert RatingStore(database).counts().ratings == 0
    database.close()


def test_a_store_that_is_all_in_its_log_is_a_store(url: str) -> None:
    """Killed right after its first start, before the log was folded in."""
    script = (
        "import os, sys\nfrom store.database import Database\nfrom store.ratings import RatingStore\n"
        "from store.records import MovieRow\n"
        "RatingStore(Database.open(sys.argv[1])).add_movies([MovieRow('m', 'A', None, ())])\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, url], cwd=ROOT, check=True)
    database = Database.open(url)
    assert RatingStore(database).movies() == [MovieRow("m", "A", None, ())]
    database.close()


def test_a_damaged_store_says_so(url: str) -> None:
    database = Database.open(url)
    database.close()
    with database.path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)
    with pytest.raises(ForeignStore, match=r"or is damaged: .*malformed"):
        Database.open(url)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRAGMAS, "busy_timeout", 50)
    monkeypatch.setattr(opening, "LOCK_S", 0.05)


@pytest.mark.parametrize("before", ["PRAGMA busy_timeout = 0", "PRAGMA locking_mode = EXCLUSIVE"])
def test_a_store_that_another_program_has_locked_says_so(url: str, impatient: None, before: str) -> None:
    database = Database.open(url)
    database.close()
    told = r"Another program has .*test\.db locked. Nothing is lost"
    with locked(database.path, before), pytest.raises(StoreBusy, match=told):
        Database.open(url)
    Database.open(url).close()  # nothing of the first attempt is in the way


def test_a_lock_in_the_old_kind_of_journal_is_a_lock_too(tmp_path: Path, impatient: None) -> None:
    path = tmp_path / "new.db"
    NOTHING_YET["without a table"](path)
    with locked(path), pytest.raises(StoreBusy, match="Nothing is lost"):
        Database.open(f"sqlite:///{path}")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that a user without any rights can get to."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


OPEN_AS_NOBODY = """
import os, sys, tempfile
from store.database import Database
from store.errors import StoreError
with tempfile.TemporaryDirectory() as folder:  # loads whatever is needed; the user may not read where Python lies
    Database.open(f"sqlite:///{folder}/m.db").close()
if os.getuid() == 0:
    os.setuid(65534)
try:
    Database.open(sys.argv[1]).close()
except StoreError as error:
    print(type(error).__name__, error)
else:
    print("opened")
"""


def open_as_nobody(path: Path) -> str:
    """What a process says that may do no more than the permissions of the files let everybody do."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AS_NOBODY, f"sqlite:///{path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("readonly", ["folder", "file", "lock", "unreadable", "log"])
def test_what_can_not_be_written_to_says_so_and_is_left_as_it_was(open_to_all: Path, readonly: str) -> None:
    path = open_to_all / "m.db"
    Database.open(f"sqlite:///{path}").close()
    lock = open_to_all / "m.db.lock"
    path.chmod(0o666)
    lock.chmod(0o666)
    named, mode = {
        "folder": (open_to_all, 0o555),
        "file": (path, 0o444),
        "unreadable": (path, 0o000),
        "lock": (lock, 0o444),
        "log": (open_to_all / "m.db-wal", 0o444),
    }[readonly]
    named.touch()
    before = state(open_to_all)
    named.chmod(mode)
    told = open_as_nobody(path)
    named.chmod(0o777)
    assert told.startswith("StoreReadOnly")
    assert f"{named} can't be written to by the user" in told
    assert "nothing is lost" in told
    assert "MARQUEE_DATABASE_URL" in told
    assert state(open_to_all) == before
    if readonly == "log":
        named.chmod(0o666)
    assert open_as_nobody(path) == "opened\n"


def test_a_folder_that_may_not_be_made_says_so(open_to_all: Path) -> None:
    open_to_all.chmod(0o555)
    assert open_as_nobody(open_to_all / "var" / "m.db").startswith("StoreReadOnly The store")
    open_to_all.chmod(0o000)
    assert open_as_nobody(open_to_all / "m.db").startswith("StoreReadOnly")
    open_to_all.chmod(0o777)


def test_a_file_system_that_is_mounted_read_only_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system answers there, whoever asks."""
    monkeypatch.setattr(os, "access", lambda place, mode: not mode & os.W_OK)
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(StoreReadOnly, match=r"is on a file system mounted read-only\. Nothing was changed"):
        Database.open(f"sqlite:///{tmp_path}/m.db")
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_a_name_is_told_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(StoreReadOnly, match=f"by the user {os.getuid()}"):
        Database.open(f"sqlite:///{tmp_path}/m.db")


def test_a_second_marquee_is_told_as_before(url: str) -> None:
    database = Database.open(url)
    with pytest.raises(StoreError, match="Another Marquee"):
        Database.open(url)
    database.write(lambda connection: None)  # the attempt has cost the first one nothing
    database.close()

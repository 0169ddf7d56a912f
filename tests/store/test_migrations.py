"""The schema that migrations make is that of the tables, from nothing and from every earlier schema."""

from __future__ import annotations

import re
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from store.database import Database
from store.errors import StoreError
from store.ratings import RatingStore
from store.records import Counts
from store.runs import RunStore
from store.schema import metadata
from store.studies import TuningStore
from store.upgrades import MIGRATIONS
from store.versions import MLModelManager


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    return made


REVISIONS = [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][::-1]


def migrate(path: Path, revision: str, *, down: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", module=sqlite)
    asked = config()
    with engine.begin() as connection:
        asked.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(asked, revision)
    engine.dispose()


def shape(path: Path) -> dict[str, object]:
    """What each table and index is made of, in any order: columns, keys, checks and what follows them."""
    connection = sqlite.connect(path)
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index')"
        " AND name NOT IN ('alembic_version', 'sqlite_sequence')"
    ).fetchall()
    connection.close()
    return {name: clauses(sql) for name, sql in found}


def clauses(sql: str) -> tuple[str, list[str], str]:
    """Head, the clauses between the outer brackets in order of the alphabet, and tail."""
    head, inner, tail = re.fullmatch(r"([^(]*)\((.*)\)([^)]*)", " ".join(sql.replace('"', "").split())).groups()  # type: ignore[union-attr]
    parts, depth, part = [], 0, ""
    for letter in inner + ",":
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append(part.replace(" ", ""))
            part = ""
        else:
            part += letter
    return head.strip(), sorted(parts), tail.strip()


def test_the_migrations_make_the_schema_of_the_tables(database: Database, tmp_path: Path) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine = create_engine(f"sqlite:///{tmp_path}/declared.db", module=sqlite)
    metadata.create_all(engine)
    engine.dispose()
    assert shape(database.path) == shape(tmp_path / "declared.db")


def test_the_triggers_are_there_after_all_migrations(database: Database) -> None:
    with database.read() as connection:
        guards = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars()
        assert set(guards) == {"activations_keep_rows", "activations_keep_values", "ratings_changed", "ratings_deleted"}


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_earlier_schema_is_brought_up_to_date(url: str, database: Database, revision: str) -> None:
    expected = shape(database.path)
    database.close()
    old = database.path.with_name("old.db")
    migrate(old, revision)
    Database.open(f"sqlite:///{old}").close()
    assert shape(old) == expected


def test_migrations_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "there and back.db"
    before: list[dict[str, object]] = []
    for revision in REVISIONS:
        migrate(path, revision)
        before.append(shape(path))
    for revision, expected in list(zip(REVISIONS, before, strict=True))[-2::-1]:
        migrate(path, revision, down=True)
        assert shape(path) == expected
    migrate(path, "base", down=True)
    assert shape(path) == {}


def test_what_the_first_schema_held_is_still_there(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    migrate(path, "0001")
    connection = sqlite.connect(path)
    connection.executescript(
        """
        INSERT INTO users VALUES (0, 'ann', 1), (1, 'bob', 1);
        INSERT INTO movies VALUES (0, 'm', 'A movie', 1999, 1);
        INSERT INTO ratings VALUES (0, 0, 4.5, 100), (1, 0, 3.0, -1);
        INSERT INTO model_versions (version, kind, state, config, metrics, segments, protocol, data, note, created_at)
        VALUES (7, 'svd', 'ready', '{}', '{}', '{}', '{}', '{}', '', 0);
        UPDATE meta SET value = '1' WHERE name = 'revision';
        DELETE FROM meta WHERE name = 'catalogue';
        """
    )
    connection.close()
    database = Database.open(url)
    try:
        ratings = RatingStore(database)
        assert ratings.counts() == Counts(2, 1, 2)
        assert ratings.catalogue() == 0
        assert ratings.load().ratings.tolist() == [4.5, 3.0]
        assert ratings.put_rating("ann", "m", 1.0, 200).revision == 2
        assert MLModelManager(database).load_model(7).arrays == {}
    finally:
        database.close()


def test_runs_and_studies_of_earlier_releases_leave_lists_to_their_defaults(url: str) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    migrate(path, "0006")
    connection = sqlite.connect(path)
    connection.executescript(
        """
        INSERT INTO training_runs (run_id, kind, state, stage, hyperparameters, activate, seed, actor, created_at)
        VALUES (3, 'svd', 'succeeded', 'Done', '{"factors": 8}', 'never', 0, 'ann', 0);
        INSERT INTO tunings (tuning_id, kind, state, stage, trials, folds, seed, budget_s, used_s, actor, created_at)
        VALUES (2, 'svd', 'stopped', '', 9, 3, 0, 60, 0, 'ann', 0);
        """
    )
    connection.close()
    database = Database.open(url)
    try:
        run = RunStore(database).get(3)
        assert (run.hyperparameters, run.ranker) == ({"factors": 8}, {})
        assert TuningStore(database).get(2).goal == "rmse"
    finally:
        database.close()


def test_a_store_of_a_newer_marquee_is_refused_and_left_alone(url: str, database: Database) -> None:
    database.write(lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    for _ in range(2):  # the second time shows that the first let go of the file
        with pytest.raises(StoreError, match="newer Marquee"):
            Database.open(url)


def test_ids_are_brought_into_one_form(url: str) -> None:
    """Where two rows were the same id in both forms, neither is lost and both can be asked for."""
    path = Path(url.removeprefix("sqlite:///"))
    migrate(path, "0004")
    connection = sqlite.connect(path)
    connection.executescript(
        """
        INSERT INTO users VALUES (0, 'ann', 1), (1, 'e\u0301va', 1), (2, '\u00e9va', 1), (3, 'o\u0308', 1);
        INSERT INTO movies VALUES (0, 'm', 'A movie', 1999, 1), (1, 'a\u0301', 'Another', 1999, 1);
        """
    )
    before = connection.execute("SELECT value FROM meta WHERE name = 'catalogue'").fetchone()
    connection.close()
    database = Database.open(url)
    try:
        ratings = RatingStore(database)
        assert ratings.user_ids() == ["ann", "\u00e9va (2)", "\u00e9va", "\u00f6"]
        assert ratings.movie_key("\u00e1") == 1
        assert ratings.catalogue() == int(before[0]) + 1
    finally:
        database.close()

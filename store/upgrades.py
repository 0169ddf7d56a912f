"""Schema upgrades: Alembic's migrations, run when a store is opened."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from store.connections import WRITER

MIGRATIONS = Path(__file__).parent / "migrations"


def outdated_schema(engine: Engine) -> str | None:
    """Revision of a store that needs an upgrade; None if it is new or up to date.

    Raises:
        CommandError: a newer release wrote the store.
    """
    scripts = ScriptDirectory.from_config(_config())
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    outdated = found is not None and scripts.get_revision(found).revision != scripts.get_current_head()
    return found if outdated else None


def upgrade(engine: Engine) -> None:
    """Bring the schema up to date, in one transaction.

    Raises:
        CommandError: a newer release wrote the store.
    """
    config = _config()
    with engine.connect().execution_options(**WRITER) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config

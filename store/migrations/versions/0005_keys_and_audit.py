"""API keys, sessions that have ended, the audit log, and ids in Unicode's form NFC."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_used_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("key_id"),
        sa.UniqueConstraint("sha256"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_table(
        "audit_log",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_log_at", "audit_log", ["at"], unique=False)
    if _compose("users") + _compose("movies"):
        op.execute("UPDATE meta SET value = value + 1 WHERE name = 'catalogue'")


def _compose(table: str) -> int:
    """Write the ids of a table in NFC; returns how many were changed.

    Where two rows differ in nothing but the form, the one in NFC keeps the id, and the other is called ``id (2)``, so
    that it can still be found, and erased.
    """
    connection = op.get_bind()
    found = connection.exec_driver_sql(f"SELECT id, external_id FROM {table}")
    ids = {key: name for key, name in found if not name.isascii()}
    wrong = {key: name for key, name in ids.items() if not unicodedata.is_normalized("NFC", name)}
    if not wrong:
        return 0
    taken = {name for key, name in ids.items() if key not in wrong}
    for key, name in wrong.items():
        composed, number = unicodedata.normalize("NFC", name), 2
        free = composed
        while free in taken:
            free, number = f"{composed[:190]} ({number})", number + 1
        taken.add(free)
        connection.exec_driver_sql(f"UPDATE {table} SET external_id = ? WHERE id = ?", (free, key))
    return len(wrong)


def downgrade() -> None:
    op.drop_index("audit_log_at", table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_table("ended_sessions")
    op.drop_table("api_keys")

"""The history of ratings and movies, from which past lists and trainings can be repeated."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NEXT = "(SELECT value + 1 FROM meta WHERE name = 'revision')"
KEEP = (
    "BEGIN INSERT INTO rating_history (user_id, movie_id, until, since, rating, rated_at) "
    "VALUES (old.user_id, old.movie_id, {until}, old.revision, old.rating, old.rated_at); END"
)
"""Of two changes with one revision only the first is kept: no state of the store had what was between them."""


def upgrade() -> None:
    op.add_column("ratings", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "rating_history",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Float(), nullable=False),
        sa.Column("rated_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "movie_id", "until"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "movie_history",
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("movie_id", "until"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "CREATE TRIGGER ratings_changed BEFORE UPDATE OF rating, rated_at ON ratings WHEN new.revision > old.revision "
        f"AND (old.rating <> new.rating OR old.rated_at <> new.rated_at) {KEEP.format(until='new.revision')}"
    )
    op.execute(
        f"CREATE TRIGGER ratings_deleted BEFORE DELETE ON ratings WHEN old.revision < {NEXT} {KEEP.format(until=NEXT)}"
    )
    op.drop_column("answers", "base_revision")
    op.add_column("exams", sa.Column("shown", sa.Integer(), nullable=True))
    op.execute("INSERT INTO meta (name, value) SELECT 'history', value FROM meta WHERE name = 'revision'")


def downgrade() -> None:
    op.execute("DELETE FROM meta WHERE name = 'history'")
    op.drop_column("exams", "shown")
    op.add_column("answers", sa.Column("base_revision", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("answers", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("base_revision", server_default=None)
    op.execute("DROP TRIGGER ratings_deleted")
    op.execute("DROP TRIGGER ratings_changed")
    op.drop_table("movie_history")
    op.drop_table("rating_history")
    op.drop_column("ratings", "revision")

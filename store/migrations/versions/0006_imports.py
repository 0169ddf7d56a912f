"""Imports that can be undone, external ids of movies, removed movies, and jobs that wait for answers."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JOB_STATES = ("queued", "running", "waiting", "succeeded", "failed", "cancelled")
KEPT = "job_id, kind, state, progress, message, result, error, created_at, ended_at"
"""Columns of jobs in both schemas."""


def upgrade() -> None:
    _make_jobs(JOB_STATES, sa.Column("plan", sa.JSON(), nullable=True), sa.Column("questions", sa.JSON(), nullable=True))
    op.add_column("ratings", sa.Column("import_id", sa.Integer(), nullable=True))
    op.add_column("movies", sa.Column("import_id", sa.Integer(), nullable=True))
    op.add_column("movies", sa.Column("removed", sa.Integer(), server_default="0", nullable=False))
    op.create_index("movies_removed", "movies", ["id"], unique=False, sqlite_where=sa.text("removed"))
    op.execute("UPDATE movies SET title = '' WHERE title = 'Movie ' || external_id")
    op.create_table(
        "movie_links",
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("movie_id", "site"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "imports",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("user_key", sa.Integer(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("undone_at", sa.Float(), nullable=True),
        sa.CheckConstraint("state in ('writing', 'done', 'undoing', 'undone')", name="import_state"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"]),
        sa.ForeignKeyConstraint(["user_key"], ["users.id"]),
        sa.PrimaryKeyConstraint("import_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "import_ratings",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Float(), nullable=False),
        sa.Column("rated_at", sa.Integer(), nullable=False),
        sa.Column("previous_import", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "movie_id", "import_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_movies",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("movie_id", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("import_id", "movie_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("import_movies_movie", "import_movies", ["movie_id"], unique=False)


def _make_jobs(states: tuple[str, ...], *further: sa.Column) -> None:
    """Make the table again: SQLite can't change a check."""
    op.create_table(
        "jobs_made_again",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        *further,
        sa.CheckConstraint(f"state in ({', '.join(map(repr, states))})", name="job_state"),
        sa.PrimaryKeyConstraint("job_id"),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO jobs_made_again ({KEPT}) SELECT {KEPT} FROM jobs")
    op.drop_table("jobs")
    op.rename_table("jobs_made_again", "jobs")


def downgrade() -> None:
    for table in ("import_movies", "import_ratings", "imports", "movie_links"):
        op.drop_table(table)
    op.execute("UPDATE movies SET title = 'Movie ' || external_id WHERE title = ''")
    op.drop_index("movies_removed", table_name="movies")
    op.drop_column("movies", "removed")
    op.drop_column("movies", "import_id")
    op.drop_column("ratings", "import_id")
    op.execute("UPDATE jobs SET state = 'failed' WHERE state = 'waiting'")
    _make_jobs(tuple(state for state in JOB_STATES if state != "waiting"))

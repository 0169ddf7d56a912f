"""Counters beside the revision, and one index less, which every import paid for and no query used."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_movies_revision", table_name="movies")
    op.execute("INSERT INTO meta (name, value) SELECT 'ratings', count(*) FROM ratings")
    op.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('catalogue', '0')")  # the first stores had none


def downgrade() -> None:
    op.execute("DELETE FROM meta WHERE name IN ('ratings', 'cache')")
    op.create_index("ix_movies_revision", "movies", ["revision"], unique=False)

"""Exams: what versions predicted for each new rating before they learned it; and ratings that were taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exams",
        sa.Column("exam_id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("movie_id", sa.Integer, nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("predicted", sa.Integer, nullable=False),
        sa.Column("low", sa.Integer),
        sa.Column("high", sa.Integer),
        sa.Column("place", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("exams_user", "exams", ["user_id"])
    op.create_table(
        "exam_answers",
        sa.Column("exam_id", sa.Integer, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("predicted", sa.Integer, nullable=False),
        sa.Column("low", sa.Integer),
        sa.Column("high", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "withdrawals",
        sa.Column("withdrawal_id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer),
        sa.Column("movie_id", sa.Integer),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_index("withdrawals_pair", "withdrawals", ["user_id", "movie_id"])


def downgrade() -> None:
    op.drop_table("withdrawals")
    op.drop_table("exam_answers")
    op.drop_table("exams")

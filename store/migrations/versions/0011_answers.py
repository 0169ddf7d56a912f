"""The answer log: which list was given to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.Integer(), nullable=False),
        sa.Column("user_key", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("base_revision", sa.Integer(), nullable=False),
        sa.Column("ratings_count", sa.Integer(), nullable=False),
        sa.Column("options", sa.Text(), nullable=True),
        sa.Column("places", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["user_key"], ["users.id"]),
        sa.PrimaryKeyConstraint("answer_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("answers_user", "answers", ["user_key"])


def downgrade() -> None:
    op.drop_index("answers_user", table_name="answers")
    op.drop_table("answers")

"""Tags and charts of versions, what a run repeats and notes, and studies of hyperparameters."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_versions", sa.Column("tags", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("model_versions", sa.Column("charts", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("training_runs", sa.Column("note", sa.Text(), server_default="", nullable=False))
    op.add_column("training_runs", sa.Column("repeats", sa.Integer(), nullable=True))
    op.create_table(
        "tunings",
        sa.Column("tuning_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("folds", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("budget_s", sa.Float(), nullable=False),
        sa.Column("used_s", sa.Float(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("held_out", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.CheckConstraint("state in ('queued', 'running', 'stopped', 'succeeded', 'failed')", name="tuning_state"),
        sa.PrimaryKeyConstraint("tuning_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tuning_errors",
        sa.Column("tuning_id", sa.Integer(), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("errors", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["tuning_id"], ["tunings.tuning_id"]),
        sa.PrimaryKeyConstraint("tuning_id", "trial"),
    )


def downgrade() -> None:
    op.drop_table("tuning_errors")
    op.drop_table("tunings")
    op.drop_column("training_runs", "repeats")
    op.drop_column("training_runs", "note")
    op.drop_column("model_versions", "charts")
    op.drop_column("model_versions", "tags")

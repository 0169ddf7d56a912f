"""Settings of lists with training runs, and what a study aims at."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("training_runs", sa.Column("ranker", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("tunings", sa.Column("goal", sa.Text(), server_default="rmse", nullable=False))


def downgrade() -> None:
    op.drop_column("tunings", "goal")
    op.drop_column("training_runs", "ranker")

"""A digest over all of a version, so that a lost or wrongly described array shows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_versions", sa.Column("digest", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("model_versions", "digest")

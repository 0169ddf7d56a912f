"""An index on the ids of users without regard to case, for the search of people."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("users_by_name", "users", [sa.text("external_id COLLATE NOCASE")])


def downgrade() -> None:
    op.drop_index("users_by_name", table_name="users")

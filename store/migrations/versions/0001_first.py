"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LEDGER_TRIGGERS = (
    "CREATE TRIGGER activations_keep_rows BEFORE DELETE ON activations "
    "BEGIN SELECT RAISE(ABORT, 'the activation ledger is never rewritten'); END",
    "CREATE TRIGGER activations_keep_values BEFORE UPDATE ON activations "
    "BEGIN SELECT RAISE(ABORT, 'the activation ledger is never rewritten'); END",
)


def upgrade() -> None:
    op.create_table('genres',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('name')
    )
    op.create_table('jobs',
        sa.Column('job_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('progress', sa.Float(), nullable=False),
        sa.Column('message', sa.Text(), nullable=False),
        sa.Column('result', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('error', sa.Text(), nullable=True),
        sa.Column('created_at', sa.Float(), nullable=False),
        sa.Column('ended_at', sa.Float(), nullable=True),
        sa.CheckConstraint("state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name='job_state'),
        sa.PrimaryKeyConstraint('job_id'),
        sqlite_autoincrement=True
    )
    op.create_table('meta',
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('value', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('name')
    )
    op.create_table('model_chunks',
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('version', 'name', 'position')
    )
    op.create_table('movies',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('external_id', sa.Text(), nullable=False),
        sa.Column('title', sa.Text(), nullable=False),
        sa.Column('year', sa.Integer(), nullable=True),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('external_id')
    )
    op.create_index('ix_movies_revision', 'movies', ['revision'], unique=False)
    op.create_table('notices',
        sa.Column('notice_id', sa.Integer(), nullable=False),
        sa.Column('level', sa.Text(), nullable=False),
        sa.Column('topic', sa.Text(), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('details', sa.JSON(), nullable=False),
        sa.Column('created_at', sa.Float(), nullable=False),
        sa.Column('read_at', sa.Float(), nullable=True),
        sa.CheckConstraint("level in ('info', 'warning', 'error')", name='notice_level'),
        sa.PrimaryKeyConstraint('notice_id'),
        sqlite_autoincrement=True
    )
    op.create_index('notices_unread', 'notices', ['read_at'], unique=False)
    op.create_table('training_runs',
        sa.Column('run_id', sa.Integer(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('stage', sa.Text(), nullable=False),
        sa.Column('hyperparameters', sa.JSON(), nullable=False),
        sa.Column('activate', sa.Text(), nullable=False),
        sa.Column('seed', sa.Integer(), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=True),
        sa.Column('metrics', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('before', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('verdict', sa.Text(), nullable=True),
        sa.Column('error', sa.Text(), nullable=True),
        sa.Column('details', sa.JSON(none_as_null=True), nullable=True),
        sa.Column('created_at', sa.Float(), nullable=False),
        sa.Column('started_at', sa.Float(), nullable=True),
        sa.Column('ended_at', sa.Float(), nullable=True),
        sa.CheckConstraint("state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name='run_state'),
        sa.PrimaryKeyConstraint('run_id'),
        sqlite_autoincrement=True
    )
    op.create_table('users',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('external_id', sa.Text(), nullable=False),
        sa.Column('revision', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('external_id')
    )
    op.create_index('ix_users_revision', 'users', ['revision'], unique=False)
    op.create_table('model_versions',
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('config', sa.JSON(), nullable=False),
        sa.Column('metrics', sa.JSON(), nullable=False),
        sa.Column("segments", sa.JSON(), nullable=False),
        sa.Column('protocol', sa.JSON(), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('run_id', sa.Integer(), nullable=True),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('created_at', sa.Float(), nullable=False),
        sa.CheckConstraint("state in ('saving', 'ready', 'damaged', 'deleted')", name='version_state'),
        sa.ForeignKeyConstraint(['run_id'], ['training_runs.run_id']),
        sa.PrimaryKeyConstraint('version'),
        sqlite_autoincrement=True
    )
    op.create_table('movie_genres',
        sa.Column('movie_id', sa.Integer(), nullable=False),
        sa.Column('genre_id', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['genre_id'], ['genres.id']),
        sa.ForeignKeyConstraint(['movie_id'], ['movies.id'], ondelete='CASCADE'),
        sa.PrimaryKeyConstraint('movie_id', 'genre_id'),
        sqlite_with_rowid=False
    )
    op.create_table('ratings',
        sa.Column('user_id', sa.Integer(), nullable=False),
        sa.Column('movie_id', sa.Integer(), nullable=False),
        sa.Column('rating', sa.Float(), nullable=False),
        sa.Column('rated_at', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['movie_id'], ['movies.id']),
        sa.ForeignKeyConstraint(['user_id'], ['users.id']),
        sa.PrimaryKeyConstraint('user_id', 'movie_id'),
        sqlite_with_rowid=False
    )
    op.create_table('training_epochs',
        sa.Column('run_id', sa.Integer(), nullable=False),
        sa.Column('epoch', sa.Integer(), nullable=False),
        sa.Column('epochs', sa.Integer(), nullable=False),
        sa.Column('train_loss', sa.Float(), nullable=False),
        sa.Column('validation_rmse', sa.Float(), nullable=True),
        sa.Column('seconds', sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(['run_id'], ['training_runs.run_id']),
        sa.PrimaryKeyConstraint('run_id', 'epoch'),
        sqlite_with_rowid=False
    )
    op.create_table('activations',
        sa.Column('activation_id', sa.Integer(), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('activated_at', sa.Float(), nullable=False),
        sa.Column('actor', sa.Text(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(['version'], ['model_versions.version']),
        sa.PrimaryKeyConstraint('activation_id'),
        sqlite_autoincrement=True
    )
    op.create_table('model_arrays',
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('dtype', sa.Text(), nullable=False),
        sa.Column('shape', sa.JSON(), nullable=False),
        sa.Column('sha256', sa.Text(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['version'], ['model_versions.version']),
        sa.PrimaryKeyConstraint('version', 'name')
    )
    for trigger in LEDGER_TRIGGERS:
        op.execute(trigger)
    op.execute("INSERT INTO meta (name, value) VALUES ('revision', '0'), ('catalogue', '0')")


def downgrade() -> None:
    for table in ('model_arrays', 'activations', 'training_epochs', 'ratings', 'movie_genres', 'model_versions', 'users', 'training_runs', 'notices', 'movies', 'model_chunks', 'meta', 'jobs', 'genres'):
        op.drop_table(table)

"""The first schema of the catalogue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _parent() -> sa.ForeignKey:
    return sa.ForeignKey("jobs.id", ondelete="CASCADE")


def upgrade() -> None:
    owner = op.create_table(
        "owner",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("clean", sa.Boolean, nullable=False),
    )
    sequence = op.create_table(
        "sequence",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("next", sa.Integer, nullable=False),
    )
    op.bulk_insert(owner, [{"id": 1, "fence": 0, "clean": True}])
    op.bulk_insert(sequence, [{"id": 1, "next": 1}])
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("instance_id", sa.String(36), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("throttle_limit", sa.Integer, nullable=False),
        sa.Column("request", sa.String(20), nullable=False),
        sa.Column("status_message", sa.Text, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("caller", sa.JSON, nullable=False),
    )
    op.create_table(
        "works",
        sa.Column("job_id", sa.Integer, _parent(), primary_key=True),
        sa.Column("work", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "children",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("job_id", sa.Integer, _parent(), nullable=False, index=True),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(36), nullable=False, unique=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("transport", sa.String(20), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason_kind", sa.String(20)),
        sa.Column("reason_message", sa.Text),
        sa.Column("status_message", sa.Text, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", sa.String(20)),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("begin_time", sa.Float),
        sa.Column("end_time", sa.Float),
        sa.Column("has_more", sa.Boolean, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.Column("positions", sa.JSON, nullable=False),
        sa.Column("ends", sa.JSON),
    )

"""Definitions, their history, and which job is an instance of which definition."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("definition_id", sa.String(36)))
    op.add_column("jobs", sa.Column("definition", sa.Text))
    op.create_index("ix_jobs_definition_id", "jobs", ["definition_id"])
    op.create_table(
        "definitions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("settled_until", sa.Float, nullable=False),
        sa.Column("start", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "firings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "definition_id",
            sa.String(36),
            sa.ForeignKey("definitions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("job_id", sa.Integer),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.UniqueConstraint("definition_id", "instance_id"),
    )

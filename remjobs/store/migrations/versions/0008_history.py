"""When a job was submitted, and what is kept of it when it is gone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("submit_time", sa.Float))
    op.create_table(
        "history",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("asker", sa.JSON, nullable=False),
        sa.Column("submit_time", sa.Float),
        sa.Column("retry_of", sa.Integer),
        sa.Column("definition", sa.Text),
        sa.Column("ended", sa.JSON),
        sa.Column("remove_time", sa.Float),
    )
    # What is there already has its entry too; who asked for it was not noted.
    op.execute(
        "INSERT INTO history (id, instance_id, name, type, command, location, asker, retry_of,"
        " definition) SELECT id, instance_id, name, type, substr(command, 1, 1000), location,"
        " '{}', retry_of, definition FROM jobs",
    )

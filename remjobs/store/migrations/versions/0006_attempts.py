"""Where the output of an attempt begins, if it is not the first one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("children", sa.Column("bases", sa.JSON))

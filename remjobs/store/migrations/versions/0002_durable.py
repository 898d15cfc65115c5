"""What durable work needs in the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("children", sa.Column("sought_until", sa.Float))
    op.add_column(
        "children",
        sa.Column("acknowledged", sa.Boolean, nullable=False, server_default=sa.false()),
    )

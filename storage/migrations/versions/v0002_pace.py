"""A quicker pace of a destination while nobody acts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("quick", "acted_at", "rush_until"):
        op.add_column("dest", sa.Column(name, sa.Double(), nullable=False, server_default="0"))

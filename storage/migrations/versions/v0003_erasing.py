"""Authors to be forgotten, and the way to what finished work says of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_index("ix_work_history_lane", "work_history", ["lane"])
    op.create_table(
        "forgotten",
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_forgotten")),
    )
    op.create_table(
        "forgetting",
        sa.Column("mention_id", ID, autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["mention_id"], ["mentions.id"], name=op.f("fk_forgetting_mention_id")),
        sa.PrimaryKeyConstraint("mention_id", name=op.f("pk_forgetting")),
    )

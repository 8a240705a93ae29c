"""Pictures of the pages that cases are about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pictures")),
    )
    op.create_table(
        "screenshots",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("taken_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_screenshots_case_id")),
        sa.ForeignKeyConstraint(["digest"], ["pictures.digest"], name=op.f("fk_screenshots_digest")),
        sa.PrimaryKeyConstraint("case_id", "digest", name=op.f("pk_screenshots")),
    )
    op.create_index("ix_screenshots_digest", "screenshots", ["digest"])

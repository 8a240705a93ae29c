"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _dest()
    _mentions()
    _once()
    _schedules()
    _sources()
    _bulletins()
    _stops()
    _tokens()
    _work()
    _work_history()
    _cases()
    _mention_versions()
    _approvals()
    _asks()
    _case_events()
    _places()
    _posts()
    _replies()
    _rounds()
    _sayings()
    _versions()


def _dest() -> None:
    op.create_table(
        "dest",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("gap", sa.Double(), nullable=False),
        sa.Column("burst", sa.Integer(), nullable=False),
        sa.Column("tat", sa.Double(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dest")),
    )


def _mentions() -> None:
    op.create_table(
        "mentions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("author_id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("tone", sa.Text, server_default="", nullable=False),
        sa.Column("score", sa.Double()),
        sa.Column("judged_by", sa.Text, server_default="", nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("case_id", ID),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mentions")),
        sa.UniqueConstraint("brand", "platform", "account", "external_id", name="uq_mentions_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mentions_author", "mentions", ["platform", "author_id"], unique=False)
    op.create_index(op.f("ix_mentions_case_id"), "mentions", ["case_id"], unique=False)
    op.create_index("ix_mentions_found", "mentions", ["brand", "found_at"], unique=False)


def _once() -> None:
    op.create_table(
        "once",
        sa.Column("idem", sa.Text, nullable=False),
        sa.Column("outcome", JSON),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("idem", name=op.f("pk_once")),
    )
    op.create_index(op.f("ix_once_at"), "once", ["at"], unique=False)


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("cron", sa.Text, server_default="", nullable=False),
        sa.Column("every", sa.Double()),
        sa.Column("tz", sa.Text, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("grace", sa.Double()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_next_at"), "schedules", ["next_at"], unique=False)


def _sources() -> None:
    op.create_table(
        "sources",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("cursor", sa.Text),
        sa.Column("first_poll_at", TIME),
        sa.Column("last_try_at", TIME),
        sa.Column("last_success_at", TIME),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text, server_default="", nullable=False),
        sa.Column("newest_at", TIME),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_sources")),
    )


def _bulletins() -> None:
    op.create_table(
        "bulletins",
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("cases", JSON, nullable=False),
        sa.PrimaryKeyConstraint("room", name=op.f("pk_bulletins")),
    )


def _stops() -> None:
    op.create_table(
        "stops",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_stops")),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tokens")),
    )


def _work() -> None:
    op.create_table(
        "work",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("v", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Text, server_default="", nullable=False),
        sa.Column("dest", sa.Text, server_default="", nullable=False),
        sa.Column("idem", sa.Text),
        sa.Column("merge_key", sa.Text),
        sa.Column("merge", sa.Text, nullable=False),
        sa.Column("group_key", sa.Text, server_default="", nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("prio", sa.Integer(), nullable=False),
        sa.Column("deadline", TIME),
        sa.Column("run_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text, server_default="", nullable=False),
        sa.Column("lease_until", TIME),
        sa.Column("effect_state", sa.Text),
        sa.Column("sent_at", TIME),
        sa.Column("call", JSON),
        sa.Column("external_id", sa.Text, server_default="", nullable=False),
        sa.Column("last_error", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("done_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work")),
        sa.UniqueConstraint("idem", name=op.f("uq_work_idem")),
        sqlite_autoincrement=True,
    )
    _work_indexes()


def _work_indexes() -> None:
    op.create_index(
        "ix_work_done",
        "work",
        ["done_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('done', 'cancelled')"),
        postgresql_where=sa.text("state IN ('done', 'cancelled')"),
    )
    op.create_index(
        "ix_work_due",
        "work",
        ["run_at", "prio"],
        unique=False,
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_work_group",
        "work",
        ["group_key"],
        unique=False,
        sqlite_where=sa.text("state IN ('ready', 'parked') AND group_key <> ''"),
        postgresql_where=sa.text("state IN ('ready', 'parked') AND group_key <> ''"),
    )
    op.create_index(
        "ix_work_lane",
        "work",
        ["lane", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('ready', 'running', 'parked') AND lane <> ''"),
        postgresql_where=sa.text("state IN ('ready', 'running', 'parked') AND lane <> ''"),
    )
    op.create_index(
        "ix_work_lease",
        "work",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "uq_work_merge_ready",
        "work",
        ["merge_key"],
        unique=True,
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )


def _work_history() -> None:
    op.create_table(
        "work_history",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("v", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Text, server_default="", nullable=False),
        sa.Column("dest", sa.Text, server_default="", nullable=False),
        sa.Column("idem", sa.Text),
        sa.Column("merge_key", sa.Text),
        sa.Column("merge", sa.Text, nullable=False),
        sa.Column("group_key", sa.Text, server_default="", nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("prio", sa.Integer(), nullable=False),
        sa.Column("deadline", TIME),
        sa.Column("run_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text, server_default="", nullable=False),
        sa.Column("lease_until", TIME),
        sa.Column("effect_state", sa.Text),
        sa.Column("sent_at", TIME),
        sa.Column("call", JSON),
        sa.Column("external_id", sa.Text, server_default="", nullable=False),
        sa.Column("last_error", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("done_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_history")),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("mention_id", ID, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, server_default="", nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("mention", JSON, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("lock", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["mention_id"], ["mentions.id"], name=op.f("fk_cases_mention_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("mention_id", name=op.f("uq_cases_mention_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cases_brand_state", "cases", ["brand", "state"], unique=False)


def _mention_versions() -> None:
    op.create_table(
        "mention_versions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mention_id", ID, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["mention_id"], ["mentions.id"], name=op.f("fk_mention_versions_mention_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mention_versions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mention_versions_mention_id"), "mention_versions", ["mention_id"], unique=False)


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("mention_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_approvals_case_id")),
        sa.ForeignKeyConstraint(["mention_id"], ["mentions.id"], name=op.f("fk_approvals_mention_id")),
        sa.PrimaryKeyConstraint("case_id", "version", "step", "person", name=op.f("pk_approvals")),
    )


def _asks() -> None:
    op.create_table(
        "asks",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("thread", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("answers", JSON, nullable=False),
        sa.Column("message", sa.Text, server_default="", nullable=False),
        sa.Column("expires_at", TIME),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_asks_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asks")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_asks_of", "asks", ["room", "thread", "person"], unique=False)


def _case_events() -> None:
    op.create_table(
        "case_events",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, server_default="", nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_events_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_case_events_case_id"), "case_events", ["case_id"], unique=False)


def _places() -> None:
    op.create_table(
        "places",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("thread", sa.Text, server_default="", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_places_case_id")),
        sa.PrimaryKeyConstraint("case_id", "side", name=op.f("pk_places")),
    )
    op.create_index(
        "uq_places_thread",
        "places",
        ["room", "thread"],
        unique=True,
        sqlite_where=sa.text("thread <> ''"),
        postgresql_where=sa.text("thread <> ''"),
    )


def _posts() -> None:
    op.create_table(
        "posts",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("slot", sa.Text, nullable=False),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_posts_case_id")),
        sa.PrimaryKeyConstraint("case_id", "side", "slot", name=op.f("pk_posts")),
    )
    op.create_index("ix_posts_message", "posts", ["room", "message"], unique=False)


def _replies() -> None:
    op.create_table(
        "replies",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("mention_id", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("posted_at", TIME, nullable=False),
        sa.Column("url", sa.Text, server_default="", nullable=False),
        sa.Column("visible_at", TIME),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("gone_at", TIME),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_replies_case_id")),
        sa.ForeignKeyConstraint(["mention_id"], ["mentions.id"], name=op.f("fk_replies_mention_id")),
        sa.PrimaryKeyConstraint("case_id", "n", name=op.f("pk_replies")),
    )


def _rounds() -> None:
    op.create_table(
        "rounds",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("clock_at", TIME, nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("clock_note", sa.Text, server_default="", nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("carded_at", TIME),
        sa.Column("taken_at", TIME),
        sa.Column("drafted_at", TIME),
        sa.Column("sent_at", TIME),
        sa.Column("approved_at", TIME),
        sa.Column("posted_at", TIME),
        sa.Column("visible_at", TIME),
        sa.Column("closed_at", TIME),
        sa.Column("warned", sa.Text, server_default="", nullable=False),
        sa.Column("returns", sa.Integer(), server_default="0", nullable=False),
        sa.Column("return_reasons", JSON, nullable=False),
        sa.Column("outcome", sa.Text, server_default="", nullable=False),
        sa.Column("satisfied", sa.Text, server_default="", nullable=False),
        sa.Column("first_version", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_rounds_case_id")),
        sa.PrimaryKeyConstraint("case_id", "n", name=op.f("pk_rounds")),
    )
    op.create_index("ix_rounds_clock_at", "rounds", ["clock_at"], unique=False)
    op.create_index("ix_rounds_closed_at", "rounds", ["closed_at"], unique=False)
    op.create_index("ix_rounds_posted_at", "rounds", ["posted_at"], unique=False)


def _sayings() -> None:
    op.create_table(
        "sayings",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("case_id", ID, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("heard", JSON, nullable=False),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("mirrored", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_sayings_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sayings")),
        sa.UniqueConstraint("room", "said", name="uq_sayings_said"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sayings_case_id"), "sayings", ["case_id"], unique=False)


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("authors", JSON, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_versions_case_id")),
        sa.PrimaryKeyConstraint("case_id", "n", name=op.f("pk_versions")),
    )

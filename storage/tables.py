"""The desk's schema. Beside each unique constraint stands what goes wrong without it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.types import Json, Utc

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite gives row ids to INTEGER keys only, PostgreSQL should not run out of them.
Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _case(**how: Any) -> Column[int]:
    return Column("case_id", Id, ForeignKey("cases.id"), nullable=False, **how)


def _string(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


mentions = Table(
    "mentions",
    metadata,
    _id(),
    Column("brand", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("author_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("data", Json, nullable=False),
    _string("tone"),
    Column("score", Double),
    _string("judged_by"),
    Column("found_at", Utc, nullable=False),
    # No foreign key: cases points here, and two tables pointing at each other cannot be created or copied in order.
    Column("case_id", Id, index=True),
    # Polls overlap and webhooks are redelivered: without it one review becomes two cases.
    UniqueConstraint("brand", "platform", "account", "external_id", name="uq_mentions_key"),
    Index("ix_mentions_found", "brand", "found_at"),
    Index("ix_mentions_author", "platform", "author_id"),
    sqlite_autoincrement=True,
)

mention_versions = Table(
    "mention_versions",
    metadata,
    _id(),
    Column("mention_id", Id, ForeignKey("mentions.id"), nullable=False, index=True),
    Column("fingerprint", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("seen_at", Utc, nullable=False),
    sqlite_autoincrement=True,
)

cases = Table(
    "cases",
    metadata,
    _id(),
    Column("client", Text, nullable=False),
    Column("brand", Text, nullable=False),
    # Two replicas that find the same review at once would both make a case of it; the second is refused.
    Column("mention_id", Id, ForeignKey("mentions.id"), nullable=False, unique=True),
    Column("state", Text, nullable=False),
    _string("owner"),
    Column("found_at", Utc, nullable=False),
    # The mention as the case knows it: a later reading must be compared with it before it counts.
    Column("mention", Json, nullable=False),
    Column("data", Json, nullable=False),
    Column("lock", Integer, nullable=False, server_default="0"),
    Index("ix_cases_brand_state", "brand", "state"),
    Index("ix_cases_state", "state"),
    sqlite_autoincrement=True,
)

rounds = Table(
    "rounds",
    metadata,
    _case(),
    Column("n", Integer, nullable=False),
    Column("clock_at", Utc, nullable=False),
    Column("found_at", Utc, nullable=False),
    _string("clock_note"),
    Column("why", Text, nullable=False),
    *(
        Column(stage, Utc)
        for stage in (
            "carded_at",
            "taken_at",
            "drafted_at",
            "sent_at",
            "approved_at",
            "posted_at",
            "visible_at",
            "closed_at",
        )
    ),
    _string("warned"),
    Column("returns", Integer, nullable=False, server_default="0"),
    Column("return_reasons", Json, nullable=False),
    _string("outcome"),
    _string("satisfied"),
    Column("first_version", Integer, nullable=False, server_default="0"),
    # Figures count one row a round.
    PrimaryKeyConstraint("case_id", "n"),
    Index("ix_rounds_clock_at", "clock_at"),
    Index("ix_rounds_posted_at", "posted_at"),
    Index("ix_rounds_closed_at", "closed_at"),
)

versions = Table(
    "versions",
    metadata,
    _case(),
    Column("n", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("authors", Json, nullable=False),
    Column("origin", Text, nullable=False),
    Column("at", Utc, nullable=False),
    # A number names one text for good: an approval of version 2 must not come to mean another text.
    PrimaryKeyConstraint("case_id", "n"),
)

approvals = Table(
    "approvals",
    metadata,
    _case(),
    Column("version", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("mention_id", Id, ForeignKey("mentions.id"), nullable=False),
    # A double press must not count as two of the `need` people.
    PrimaryKeyConstraint("case_id", "version", "step", "person"),
)

replies = Table(
    "replies",
    metadata,
    _case(),
    Column("n", Integer, nullable=False),
    Column("mention_id", Id, ForeignKey("mentions.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("posted_at", Utc, nullable=False),
    _string("url"),
    Column("visible_at", Utc),
    Column("verified", Boolean, nullable=False),
    Column("gone_at", Utc),
    # `n` is the reply's place in the case; the same reply saved twice is one row.
    PrimaryKeyConstraint("case_id", "n"),
)

case_events = Table(
    "case_events",
    metadata,
    _id(),
    _case(index=True),
    Column("round", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    _string("actor"),
    Column("at", Utc, nullable=False),
    Column("data", Json, nullable=False),
    sqlite_autoincrement=True,
)

places = Table(
    "places",
    metadata,
    _case(),
    Column("side", Text, nullable=False),
    Column("room", Text, nullable=False),
    _string("thread"),
    Column("generation", Integer, nullable=False, server_default="0"),
    # One place a side: a second would split the talk.
    PrimaryKeyConstraint("case_id", "side"),
    # A message heard in a thread belongs to one case; with two, a reply could be written into the wrong one.
    _partial("uq_places_thread", "room", "thread", where="thread <> ''", unique=True),
)

posts = Table(
    "posts",
    metadata,
    _case(),
    Column("side", Text, nullable=False),
    Column("slot", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("message", Text, nullable=False),
    _string("digest"),
    # One message a slot: the next change of the case edits it instead of posting a second card.
    PrimaryKeyConstraint("case_id", "side", "slot"),
    Index("ix_posts_message", "room", "message"),
)

sayings = Table(
    "sayings",
    metadata,
    _id(),
    _case(index=True),
    Column("side", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("heard", Json, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("mirrored", Boolean, nullable=False),
    # A redelivered message must not be mirrored to the client a second time.
    UniqueConstraint("room", "said", name="uq_sayings_said"),
    sqlite_autoincrement=True,
)

pictures = Table(
    "pictures",
    metadata,
    # A page that several cases stand on is one picture.
    Column("digest", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

screenshots = Table(
    "screenshots",
    metadata,
    _case(),
    Column("digest", Text, ForeignKey("pictures.digest"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("taken_at", Utc, nullable=False),
    # The job may run twice: a second row would be shown as a second picture.
    PrimaryKeyConstraint("case_id", "digest"),
)

asks = Table(
    "asks",
    metadata,
    _id(),
    _case(),
    Column("side", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("room", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("answers", Json, nullable=False),
    _string("message"),
    Column("expires_at", Utc),
    Index("ix_asks_of", "room", "thread", "person"),
    sqlite_autoincrement=True,
)

stops = Table(
    "stops",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("by", Text, nullable=False),
    Column("at", Utc, nullable=False),
)

bulletins = Table(
    "bulletins",
    metadata,
    # A room has one summary that is edited; a second one would be noise.
    Column("room", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("cases", Json, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("cursor", Text),
    Column("first_poll_at", Utc),
    Column("last_try_at", Utc),
    Column("last_success_at", Utc),
    Column("failures", Integer, nullable=False, server_default="0"),
    _string("last_error"),
    Column("newest_at", Utc),
)


def _work_columns() -> list[Column[Any]]:
    return [
        Column("kind", Text, nullable=False),
        Column("v", Integer, nullable=False),
        _string("lane"),
        _string("dest"),
        Column("idem", Text),
        Column("merge_key", Text),
        Column("merge", Text, nullable=False),
        _string("group_key"),
        Column("payload", Json, nullable=False),
        Column("state", Text, nullable=False),
        Column("prio", Integer, nullable=False),
        Column("deadline", Utc),
        Column("run_at", Utc, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("max_attempts", Integer, nullable=False),
        _string("owner"),
        Column("lease_until", Utc),
        Column("effect_state", Text),
        Column("sent_at", Utc),
        Column("call", Json),
        _string("external_id"),
        _string("last_error"),
        Column("created_at", Utc, nullable=False),
        Column("done_at", Utc),
    ]


READY = "state = 'ready'"
UNFINISHED = "state IN ('ready', 'running', 'parked')"

work = Table(
    "work",
    metadata,
    _id(),
    *_work_columns(),
    # The same event delivered twice, or the same approval pressed in two chats, is one piece of work.
    UniqueConstraint("idem"),
    # Pending redraws of one card merge; two of them would spend a second of the room's few edits on nothing.
    _partial("uq_work_merge_ready", "merge_key", where=READY, unique=True),
    _partial("ix_work_due", "run_at", "prio", where=READY),
    _partial("ix_work_lane", "lane", "id", where=f"{UNFINISHED} AND lane <> ''"),
    _partial("ix_work_lease", "lease_until", where="state = 'running'"),
    _partial("ix_work_group", "group_key", where="state IN ('ready', 'parked') AND group_key <> ''"),
    _partial("ix_work_done", "done_at", where="state IN ('done', 'cancelled')"),
    sqlite_autoincrement=True,
)

work_history = Table(
    "work_history",
    metadata,
    Column("id", Id, primary_key=True),
    *_work_columns(),
    # What a case or a mention left behind is found by its lanes when it is to be erased.
    Index("ix_work_history_lane", "lane"),
)

dest = Table(
    "dest",
    metadata,
    Column("name", Text, primary_key=True),
    Column("gap", Double, nullable=False),
    Column("burst", Integer, nullable=False),
    # Seconds since 1970, not a time: the claim computes with it in one statement on both stores.
    Column("tat", Double, nullable=False, server_default="0"),
    Column("quick", Double, nullable=False, server_default="0"),
    Column("acted_at", Double, nullable=False, server_default="0"),
    Column("rush_until", Double, nullable=False, server_default="0"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("name", Text, primary_key=True),
    _string("cron"),
    Column("every", Double),
    Column("tz", Text, nullable=False),
    Column("next_at", Utc, nullable=False, index=True),
    Column("grace", Double),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("at", Utc, nullable=False),
)

once = Table(
    "once",
    metadata,
    Column("idem", Text, primary_key=True),
    Column("outcome", Json),
    Column("at", Utc, nullable=False, index=True),
)

# storage.erasing

forgotten = Table(
    "forgotten",
    metadata,
    # A keyed hash of platform and author: it tells who comes again, and not who it was.
    Column("mark", Text, primary_key=True),
    Column("at", Utc, nullable=False),
)

forgetting = Table(
    "forgetting",
    metadata,
    Column("mention_id", Id, ForeignKey("mentions.id"), primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
)

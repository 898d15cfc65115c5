"""The tables. The catalogue's are made by migrations; each output database's at once."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "catalog",
    "children",
    "definitions",
    "fence",
    "firings",
    "history",
    "jobs",
    "output",
    "outputs",
    "owner",
    "sequence",
    "works",
]

catalog = MetaData()

owner = Table(
    "owner",
    catalog,
    Column("id", Integer, primary_key=True),
    Column("fence", Integer, nullable=False),
    Column("clean", Boolean, nullable=False),
)
"""One row: the fence of the owner of this store, and whether the last one left in order."""

sequence = Table(
    "sequence",
    catalog,
    Column("id", Integer, primary_key=True),
    Column("next", Integer, nullable=False),
)
"""One row: the next id. Parents and children share the counter; ids are never reused."""

jobs = Table(
    "jobs",
    catalog,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("instance_id", String(36), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("type", String(20), nullable=False),
    Column("command", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("throttle_limit", Integer, nullable=False),
    Column("request", String(20), nullable=False),
    Column("status_message", Text, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("caller", JSON, nullable=False),
    Column("retry_of", Integer),
    Column("pace", JSON),
    Column("exclusive", Text),
    Column("definition_id", String(36), index=True),
    Column("definition", Text),
    Column("submit_time", Float),
)

works = Table(
    "works",
    catalog,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("work", LargeBinary, nullable=False),
)
"""Apart from jobs, since a work's script and input may be large."""

children = Table(
    "children",
    catalog,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("instance_id", String(36), nullable=False),
    Column("key", String(36), nullable=False, unique=True),
    Column("host", Text, nullable=False),
    Column("transport", String(20), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason_kind", String(20)),
    Column("reason_message", Text),
    Column("status_message", Text, nullable=False),
    Column("exit_code", Integer),
    Column("signal", String(20)),
    Column("attempt", Integer, nullable=False),
    Column("begin_time", Float),
    Column("end_time", Float),
    Column("sought_until", Float),
    Column("acknowledged", Boolean, nullable=False),
    Column("bases", JSON),
    Column("has_more", Boolean, nullable=False),
    Column("told", Boolean, nullable=False),
    Column("positions", JSON, nullable=False),
    Column("ends", JSON),
)
"""The ledger. ``positions`` and ``ends`` map a stream to a sequence number: what
was received of it, and, once the child has ended, its last record. Times are
seconds since the epoch. ``acknowledged``: the host said that it has the work.
``bases`` maps a stream to the offset at which the present attempt begins."""

definitions = Table(
    "definitions",
    catalog,
    Column("id", String(36), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("shown", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("settled_until", Float, nullable=False),
    Column("start", LargeBinary, nullable=False),
)
"""``key`` is path and name without case. ``shown`` is the Definition, ``start`` the request
that starts an instance. What was due up to ``settled_until`` is in the history."""

firings = Table(
    "firings",
    catalog,
    Column("id", Integer, primary_key=True),
    Column(
        "definition_id",
        String(36),
        ForeignKey("definitions.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("instance_id", String(36), nullable=False),
    Column("due", Float, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("job_id", Integer),
    Column("times", Integer, nullable=False),
    Column("message", Text, nullable=False),
    UniqueConstraint("definition_id", "instance_id"),
)
"""The history of each definition, and the queue of what is to be started."""

history = Table(
    "history",
    catalog,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("instance_id", String(36), nullable=False),
    Column("name", Text, nullable=False),
    Column("type", String(20), nullable=False),
    Column("command", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("asker", JSON, nullable=False),
    Column("submit_time", Float),
    Column("retry_of", Integer),
    Column("definition", Text),
    Column("ended", JSON),
    Column("remove_time", Float),
)
"""A row for each job that ever was, written with the job. While the job is there, how it
stands is seen on the job itself; ``ended`` says how it stood when it was removed."""

outputs = MetaData()

output = Table(
    "output",
    outputs,
    Column("id", Integer, primary_key=True),
    Column("child", Integer, nullable=False),
    Column("stream", String(12), nullable=False),
    Column("off", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("child", "stream", "off"),
)
"""A record; ``id`` is the order of arrival and the read cursor."""

fence = Table(
    "fence",
    outputs,
    Column("id", Integer, primary_key=True),
    Column("value", Integer, nullable=False),
)

"""Tables of the journal database and the version they carry. Must not hold queries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    true,
)

SCHEMA_VERSION = 1

METADATA = MetaData()

# Row numbers must be INTEGER in SQLite to count by themselves, and 64 bits wide elsewhere.
_ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

launches = Table(
    "launches",
    METADATA,
    Column("launch", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
)

# One open launch per service and environment, whoever asks and however many ask at once.
Index(
    "launches_one_open",
    launches.c.service,
    launches.c.environment,
    unique=True,
    sqlite_where=launches.c.open == true(),
    postgresql_where=launches.c.open == true(),
)

events = Table(
    "events",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("seq > 0", name="events_seq_positive"),
    # One tree instead of a table and its index: an append writes half as many pages.
    sqlite_with_rowid=False,
)

inbox = Table(
    "inbox",
    METADATA,
    Column("number", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("launch", Text, ForeignKey("launches.launch"), nullable=False),
    Column("key", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("argument", Text, nullable=False),
    # A settled order stays as a row: the same key again, hours later, must still be the same order.
    Column("settled", Boolean, nullable=False),
    UniqueConstraint("launch", "key", name="inbox_key_once"),
)

claims = Table(
    "claims",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("owner", Text, nullable=True),
    Column("epoch", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

snapshots = Table(
    "snapshots",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("state", Text, nullable=False),
    # A snapshot is read instead of the events it stands for: one that rotted is told by this and dropped.
    Column("digest", Text, nullable=False),
)

evidences = Table(
    "evidences",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("sampled_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    # As with snapshots: what rotted is told by this, and weighed anew.
    Column("digest", Text, nullable=False),
)

rings = Table(
    "rings",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("written", BigInteger, nullable=False),
)

samples = Table(
    "samples",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("samples_by_time", "launch", "at_ms"),
)

# What the agent does by schedule stands beside the launches: it belongs to a service, not to one of them.
upkeep = Table(
    "upkeep",
    METADATA,
    Column("number", _ROW_NUMBER, primary_key=True, autoincrement=True),
    Column("service", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("upkeep_by_service", "service", "environment", "number"),
)

history = Table(
    "history",
    METADATA,
    Column("launch", Text, ForeignKey("launches.launch"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

ADDED = (upkeep, history, evidences)
"""Tables that a journal of an earlier release lacks; that release passes over them."""

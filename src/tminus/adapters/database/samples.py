"""The ring of samples: a fixed number of rows per launch, the oldest overwritten."""

import json
from collections.abc import Sequence

from sqlalchemy import insert, select, update

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.fence import lock_launch
from tminus.adapters.database.schema import rings, samples
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import from_json, to_json
from tminus.domain.watch.counts import Sample

RING_SLOTS = 3_600  # an hour at one sample per second: more than any detector looks back


class SqlSampleRing:
    """Implements SampleRing.

    Args:
        database: where the samples are kept.
        slots: samples kept per launch; must not change for a launch that has some.
    """

    def __init__(self, database: Database, slots: int = RING_SLOTS) -> None:
        self._database = database
        self._slots = slots

    def add_sample(self, launch: str, sample: Sample) -> None:
        """See `SampleRing`; also Refused `launch-unknown`."""
        body = canonical_bytes(to_json(sample)).decode()
        with self._database.transaction(Mode.QUICK) as connection:
            lock_launch(connection, launch)
            written = connection.scalar(select(rings.c.written).where(rings.c.launch == launch))
            if written is None:
                connection.execute(insert(rings).values(launch=launch, written=1))
            else:
                connection.execute(update(rings).where(rings.c.launch == launch).values(written=written + 1))
            number = written or 0
            columns = {"number": number, "at_ms": sample.at_ms, "body": body}
            slot = number % self._slots
            if number < self._slots:
                connection.execute(insert(samples).values(launch=launch, slot=slot, **columns))
            else:
                place = (samples.c.launch == launch, samples.c.slot == slot)
                connection.execute(update(samples).where(*place).values(**columns))

    def samples(self, launch: str, since_ms: int) -> Sequence[Sample]:
        """See `SampleRing`."""
        query = (
            select(samples.c.body)
            .where(samples.c.launch == launch, samples.c.at_ms >= since_ms)
            .order_by(samples.c.number)
        )
        with self._database.transaction(Mode.READ) as connection:
            bodies = connection.scalars(query).all()
        return tuple(from_json(Sample, json.loads(body)) for body in bodies)

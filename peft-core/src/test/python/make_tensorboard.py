"""The event file that TensorBoard's own writer makes of one resumed run.

    pip install tensorboard && python peft-core/src/test/python/make_tensorboard.py

Writes src/test/resources/golden/tensorboard/events.bin.
"""

from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = Path(__file__).parents[1] / "resources/golden/tensorboard/events.bin"
WALL_TIME = 1_700_000_000.25


def scalars(step, **values):
    return Event(
        wall_time=WALL_TIME,
        step=step,
        summary=Summary(value=[Summary.Value(tag=tag.replace("__", "/"), simple_value=value) for tag, value in values.items()]),
    )


events = [
    Event(wall_time=WALL_TIME, file_version="brain.Event:2"),
    Event(wall_time=WALL_TIME, step=301, session_log=SessionLog(status=SessionLog.START)),
    scalars(
        301,
        train__loss=0.625,
        train__learning_rate=1e-3,
        train__grad_norm=1.75,
        train__samples_per_second=210.5,
        train__tokens_per_second=9800,
        train__rss_gb=1.5,
        train__epoch=0.6,
    ),
    scalars(301, epoch__loss=0.71),
    scalars(301, eval__loss=0.5, eval__accuracy=0.0),
]
with open(OUT, "wb") as file:
    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    writer.flush()

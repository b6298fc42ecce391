"""Generated traffic as tables, and its clicks as event lines."""

from __future__ import annotations

from pathlib import Path

import orjson
import pyarrow
from pyarrow import parquet

from benchmarks.rig.traffic import SCENES, Traffic
from monitor_agent.contracts.feedback import FEEDBACK

AT_ONCE = 65536


def write_rows(path: Path, traffic: Traffic) -> tuple[Path, str]:
    """Write predictions with their labels; return the file, and which column is which field."""
    columns = traffic.columns()
    count = traffic.predictions
    table = {
        "when": pyarrow.array(columns["time"], pyarrow.timestamp("ms", "UTC")),
        "p": pyarrow.array(columns["score"]),
        "clicked?": pyarrow.array(columns["click"]),
        "scene": pyarrow.array([SCENES[number % len(SCENES)] for number in range(count)]).dictionary_encode(),
        "price": pyarrow.array([float(number % 100) for number in range(count)]),
        "item": pyarrow.array([str(number % 80) for number in range(count)]),
    }
    parquet.write_table(pyarrow.table(table), path, row_group_size=AT_ONCE)
    return path, "time=when,score=p,label=clicked?,labels.scene=scene,features.numeric.price=price,item=item"


def write_labels(path: Path, traffic: Traffic) -> tuple[Path, str]:
    """Write the clicks by the ids of their predictions; return the file, and which column is which field."""
    clicks = [orjson.loads(action.source) for action in traffic.actions() if action.index.startswith(FEEDBACK.name)]
    table = {
        "case": [click["prediction"]["id"] for click in clicks],
        "clicked?": ["yes"] * len(clicks),
        "clicked at": [click["@timestamp"] for click in clicks],
    }
    parquet.write_table(pyarrow.table(table), path, row_group_size=AT_ONCE)
    return path, "id=case,label=clicked?,feedback_time=clicked at"


def write_label_lines(path: Path, traffic: Traffic) -> int:
    """Write the clicks as event lines; return the number of bytes."""
    sources = (orjson.loads(action.source) for action in traffic.actions() if action.index.startswith(FEEDBACK.name))
    with path.open("wb") as stream:
        for source in sources:
            del source["feedback"]["status"]
            stream.write(orjson.dumps(source) + b"\n")
        return stream.tell()

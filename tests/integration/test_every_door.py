"""One day of the Open Bandit log through every door: the metrics are equal, whichever way the events came in.

The model server's `/predict` and `/feedback` are the first door; its answers give the scores, and its lines the times
of answers. What a format cannot carry comes as lines of our own, or is null: `CANNOT_CARRY` lists it, as
`docs/receive.md` and `docs/import.md` do.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.demo import open_bandit
from monitor_agent.demo.open_bandit import Impression
from monitor_agent.demo.pages import PagePosition, by_day, with_page_positions
from monitor_agent.demo.replay import CATEGORICAL_FEATURES, CLICK_DELAY, LABELS, NUMERIC_FEATURES, SCENE
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.pipeline import instants
from monitor_agent.prediction_log import PredictionLog
from monitor_agent.settings import AgentSettings, ServerSettings, SourceMapping
from tests.cluster import Cluster
from tests.integration.agent_world import World, world_on
from tests.integration.table_doors import FORMATS, LoggedRow, import_environment, import_tables, write_tables
from tests.integration.test_model_server import Server
from tests.pipelines import PipelineSandbox
from tests.source_requests import REQUEST, RESPONSE, LocalReceiver, ce_headers, local_receiver, user_event
from tests.unit.monitor_agent.prediction_log.factories import lines_in
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("frequent_statistics")

HTTP, FILES, KSERVE, UBI = "click", "files", "cloudevents", "ubi"
"""The doors by the names of their models; the model server serves `click`."""
IDENTITY = ("model_name", "_version", "@timestamp", "event", "window_id")
TIMES = ("response_time", "queue_time", "compute_time", "batch_size")
CANNOT_CARRY: Mapping[str, tuple[str, ...]] = {FILES: (), KSERVE: TIMES, UBI: TIMES, **dict.fromkeys(FORMATS, TIMES)}
"""Beginnings of the names of fields that a format cannot carry."""
SETTINGS = AgentSettings(
    segments=LABELS,
    impressions="explicit",
    base_window=timedelta(hours=1),
    larger_windows=(timedelta(days=1),),
    curve_windows=(),
    retention=False,
)
STATE = "state_blob"
"""The field with all counts and histograms of a window, those of times, too."""
REASON = "_undefined"
"""The end of the name of the field with the reason why a metric is null."""
FEW_HOURS = 1
INPUTS = {
    "item": "item",
    "position": "position",
    "propensity": "propensity",
    "query": "query",
    **{f"ranking.{name}": f"ranking.{name}" for name in ("id", "rank", "size")},
    **{f"labels.{name}": name for name in LABELS},
    **{f"features.numeric.{name}": name for name in NUMERIC_FEATURES},
    **{f"features.categorical.{name}": name for name in CATEGORICAL_FEATURES},
}


@dataclass(frozen=True)
class Row:
    """An impression of the log, its place on its page, and what the model server has said of it.

    Attributes
    ----------
    event : the line of the model server.
    """

    impression: Impression
    place: PagePosition
    event: Mapping[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its request."""
        return {"scene": SCENE, "slot": self.impression.slot}

    @property
    def ranking(self) -> dict[str, Any]:
        """Its place in the ranked list; empty if it is alone."""
        place = self.place
        return {"id": place.page, "rank": place.rank, "size": place.size} if place.size > 1 else {}

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of a request, by the names of `INPUTS`."""
        impression = self.impression
        return {
            "item": impression.item_id,
            "position": impression.position,
            "propensity": impression.propensity,
            "query": impression.audience,
            "ranking": self.ranking,
            **self.labels,
            **impression.features,
        }

    def feedback(self, prediction_id: str) -> list[dict[str, Any]]:
        """Return the impression and, if there is one, the click, as `/feedback` takes them."""
        moment = self.impression.timestamp
        displayed = {"prediction_id": prediction_id, "type": "impression", "timestamp": instants.text(moment)}
        clicked = {**displayed, "type": "click", "timestamp": instants.text(moment + CLICK_DELAY)}
        return [displayed, clicked] if self.impression.click else [displayed]


def through_http(server: Server, day: Iterable[tuple[Impression, PagePosition]]) -> list[Row]:
    """Send the day to the model server; return the rows with its answers."""
    client, answers = server.connect(), []
    for impression, place in day:
        row = Row(impression, place, {})
        instance = {
            "text_a": impression.text_a,
            "text_b": impression.text_b,
            "item_id": str(impression.item_id),
            "position": impression.position,
            "propensity": impression.propensity,
            "features": impression.features,
            **({"ranking": row.ranking} if row.ranking else {}),
        }
        body = {
            "timestamp": instants.text(impression.timestamp),
            "context": {"labels": row.labels, "query": impression.audience},
            "instances": [instance],
        }
        (answer,) = client.predict(body)["predictions"]
        answers.append((row, answer["prediction_id"]))
        for record in row.feedback(answer["prediction_id"]):
            assert client.send("POST", "/feedback", record)[0] == 202
    events = {event["event"]["id"]: event for event in server.events()}
    return [dataclasses.replace(row, event=events[identifier]) for row, identifier in answers]


def through_files(folder: Path, rows: Sequence[Row]) -> None:
    """Write the rows with `PredictionLog`."""
    threshold = rows[0].event["prediction"]["threshold"]
    with PredictionLog(folder, model=FILES, version="1", threshold=threshold) as log:
        for row in rows:
            event, impression = row.event["prediction"], row.impression
            numbers = {name: impression.features[name] for name in NUMERIC_FEATURES}
            names = {name: impression.features[name] for name in CATEGORICAL_FEATURES}
            record = {
                "score": event["score"],
                "item_id": str(impression.item_id),
                "position": impression.position,
                "propensity": impression.propensity,
                "features": {"numeric": numbers, "categorical": names},
                **({"ranking": row.ranking} if row.ranking else {}),
                **{name: event[name] for name in ("queue_time", "compute_time", "batch_size") if name in event},
            }
            (answer,) = log.predictions(
                [record],
                timestamp=impression.timestamp,
                labels=row.labels,
                query=impression.audience,
                duration=row.event["event"]["duration"],
            )
            log.feedback(row.feedback(answer.id))


def through_cloud_events(receiver: LocalReceiver, rows: Sequence[Row]) -> None:
    """Send a request and a response for each row, as KServe's logger does; clicks are lines of our own."""
    for number, row in enumerate(rows):
        moment = instants.text(row.impression.timestamp)
        changed = {"inferenceservicename": KSERVE}
        for role, body in (
            (REQUEST, {"instances": [row.inputs]}),
            (RESPONSE, {"predictions": [row.event["prediction"]["score"]]}),
        ):
            answer = receiver.send(body, ce_headers(role, str(number), moment, **changed))
            assert answer.status == 202, answer.json
    ids = [line["prediction"]["id"] for line in lines_in(receiver.folder) if line["model"]["name"] == KSERVE]
    with PredictionLog(receiver.folder, model=KSERVE, version="1") as log:
        for row, identifier in zip(rows, ids, strict=True):
            time = {"prediction_time": row.impression.timestamp}
            log.feedback([{**record, **time} for record in row.feedback(identifier)])


def through_ubi(receiver: LocalReceiver, rows: Sequence[Row]) -> None:
    """Send an impression, and a click if there is one, for each row; attributes hold the score and the features."""
    documents = []
    for number, row in enumerate(rows):
        impression = row.impression
        moments = {"impression": impression.timestamp, "click": impression.timestamp + CLICK_DELAY}
        for action in ("impression", "click") if impression.click else ("impression",):
            document = user_event(action, impression.item_id, f"query-{number}", ordinal=impression.position)
            document |= {"application": UBI, "timestamp": instants.text(moments[action])}
            del document["client_id"], document["session_id"]
            place = document["event_attributes"]["position"]
            score = row.event["prediction"]["score"]
            document["event_attributes"] |= {**row.inputs, "score": score, "position": place}
            documents.append(document)
    batches = iter(documents)
    while batch := list(islice(batches, 500)):
        answer = receiver.send(batch, path="/ubi/events")
        assert answer.status == 202, answer.json


def logged_rows(rows: Sequence[Row]) -> list[LoggedRow]:
    """Return the rows as tables hold them."""
    return [LoggedRow(_fields(number, row)) for number, row in enumerate(rows)]


def _fields(number: int, row: Row) -> dict[str, Any]:
    impression, ranking = row.impression, row.ranking
    return {
        "id": number,
        "time": impression.timestamp,
        "score": row.event["prediction"]["score"],
        "label": "yes" if impression.click else "no",
        "feedback_time": impression.timestamp + CLICK_DELAY if impression.click else None,
        "item": impression.item_id,
        "position": impression.position,
        "propensity": impression.propensity,
        "ranking": ranking.get("id"),
        "rank": ranking.get("rank"),
        **{f"labels.{name}": value for name, value in row.labels.items()},
        **{f"features.numeric.{name}": impression.features[name] for name in NUMERIC_FEATURES},
        **{f"features.categorical.{name}": impression.features[name] for name in CATEGORICAL_FEATURES},
    }


def impressions_of_tables(folder: Path, rows: Sequence[LoggedRow]) -> None:
    """Write lines of our own that say that the rows were displayed: a table has labels only."""
    for model in FORMATS:
        with PredictionLog(folder, model=model, version="1") as log:
            for row in rows:
                moment = row.fields["time"]
                record = {"prediction_id": row.id_in(model), "type": "impression", "timestamp": instants.text(moment)}
                log.feedback([{**record, "prediction_time": moment}])


def mappings(threshold: float) -> dict[str, SourceMapping]:
    """Return the mappings of the two services."""
    of_ubi = {name: f"event_attributes.{path}" for name, path in INPUTS.items() if name not in ("item", "position")}
    return {
        KSERVE: SourceMapping(version="1", threshold=threshold, inputs=INPUTS),
        UBI: SourceMapping(
            version="1",
            threshold=threshold,
            predictions_from="impressions",
            inputs={**of_ubi, "score": "event_attributes.score"},
        ),
    }


@contextlib.contextmanager
def ready_world(elasticsearch: Cluster) -> Iterator[World]:
    """Yield an empty world whose templates know the labels and features of the log."""
    elasticsearch.clean()
    server = ServerSettings(labels=LABELS, numeric_features=NUMERIC_FEATURES, categorical_features=CATEGORICAL_FEATURES)
    with elasticsearch.client("monitor_setup") as client:
        install(Gateway(client), SETTINGS, server=server)
    with world_on(elasticsearch) as world:
        yield world


def hours_with_clicks(day: Sequence[tuple[Impression, PagePosition]]) -> list[tuple[Impression, PagePosition]]:
    """Return the rows of the first hours in which somebody clicked."""
    hours = list(dict.fromkeys(impression.timestamp.hour for impression, _ in day if impression.click))[:FEW_HOURS]
    return [row for row in day if row[0].timestamp.hour in hours]


def deliver(world: World, elasticsearch: Cluster, folder: Path, lines: int) -> None:
    """Let the product's pipeline send the files of a folder."""
    access = elasticsearch.settings("pipeline_writer")
    sandbox = PipelineSandbox(folder, access.url[0], user=access.username, password=access.password)
    with sandbox.running():
        wait_until(lambda: stored(world) == lines, 300, interval=0.2)


def stored(world: World) -> int:
    """Return the number of events in the cluster."""
    world.admin.indices.refresh(index="model-*")
    return int(world.admin.count(index="model-predictions,model-feedback", ignore_unavailable=True)["count"])


@pytest.mark.parametrize("whole_day", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["hours", "day"])
def test_the_metrics_are_equal_whichever_door_the_day_takes(
    elasticsearch: Cluster, saved_model: Path, tmp_path: Path, *, whole_day: bool
) -> None:
    """Every document of every window, version and segment, in every field that the format can carry."""
    log = open_bandit.load("all", tmp_path)
    day = list(with_page_positions(next(iter(by_day(log.evaluate)))))
    day = day if whole_day else hours_with_clicks(day)
    logs = tmp_path / "pipeline" / "logs"
    server = Server(
        tmp_path,
        saved_model,
        MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS="true",
        MODEL_SERVER_LABELS=",".join(LABELS),
        MODEL_SERVER_NUMERIC_FEATURES=",".join(NUMERIC_FEATURES),
        MODEL_SERVER_CATEGORICAL_FEATURES=",".join(CATEGORICAL_FEATURES),
    )
    try:
        server.wait_ready()
        rows = through_http(server, day)
    finally:
        server.clean_up()
    through_files(logs, rows)
    threshold = rows[0].event["prediction"]["threshold"]
    with local_receiver(logs, mappings(threshold)) as receiver:
        through_cloud_events(receiver, rows)
        through_ubi(receiver, rows)
    logged = logged_rows(rows)
    impressions_of_tables(logs, logged)
    tables = write_tables(tmp_path / "tables", logged)
    for path in server.log_dir.glob("*.ndjson"):
        path.rename(logs / f"server-{path.name}")
    with ready_world(elasticsearch) as world:
        clicks = sum(row.impression.click for row in rows)
        lines = 4 * (2 * len(rows) + clicks) + len(FORMATS) * len(rows)
        deliver(world, elasticsearch, tmp_path / "pipeline", lines)
        now = rows[-1].impression.timestamp + timedelta(days=1, hours=3)
        with import_environment(elasticsearch, tmp_path):
            import_tables(tables, logged, threshold, now)
        settings = {field.name: getattr(SETTINGS, field.name) for field in dataclasses.fields(AgentSettings)}
        world.cycle(now, **settings)
        documents = documents_by_door(world)

    expected = documents[HTTP]
    assert len(expected) > 2
    assert max(document["n"] for document in expected.values()) == len(rows)
    assert max(document["tp"] + document["fn"] for document in expected.values()) == clicks
    for door, names in CANNOT_CARRY.items():
        assert documents[door].keys() == expected.keys()
        assert differences(expected, documents[door], names) == []


def documents_by_door(world: World) -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """Return the metrics documents by model, and by version, segment, window size and start."""
    by_door: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for (model, *key), document in world.by_key().items():
        by_door.setdefault(model, {})[tuple(key)] = document
    return by_door


def differences(
    expected: Mapping[tuple[str, ...], Mapping[str, Any]],
    documents: Mapping[tuple[str, ...], Mapping[str, Any]],
    absent: tuple[str, ...],
) -> list[tuple[Any, ...]]:
    """Return window and field of each value that differs.

    Parameters
    ----------
    absent : beginnings of the names of fields that must be null, each with its reason.
    """
    wrong = []
    for key, document in expected.items():
        for name in document.keys() | documents[key].keys():
            value, right = documents[key].get(name), document.get(name)
            if name in IDENTITY or (name == STATE and absent):
                continue
            if not name.startswith(absent):
                is_right = value == right
            elif name.endswith(REASON):
                is_right = isinstance(value, str)
            else:
                is_right = value is None and documents[key].get(f"{name}{REASON}", "") is not None
            if not is_right:
                wrong.append((*key, name, right, value))
    return wrong

"""The scenario `medical`: real cases through the model server, with labels of doctors for a third of them."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from monitor_agent.clock import SystemClock
from monitor_agent.contracts import uuid7
from monitor_agent.demo.display import Display
from monitor_agent.demo.event_lines import ReplayClock
from monitor_agent.demo.medical.cases import MODEL, Visit, linear_model, read_cases, split, visits
from monitor_agent.demo.replay import ModelServerClient
from monitor_agent.demo.replayed_agent import ReplayedAgent
from monitor_agent.demo.result_files import write_file
from monitor_agent.demo.results import Results
from monitor_agent.demo.stage import Stage, scenario_settings, stage
from monitor_agent.demo.timeline import Timeline
from monitor_agent.demo.totals_by_segment import segment_table
from monitor_agent.extras import MODEL_SERVER
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.stack.local import ERROR_LINE
from monitor_agent.stack.process import ChildProcess, Command

ATTRIBUTION = timedelta(days=14)
SPAN = timedelta(days=63)
WEEK = 7 * DAY
FIRST = "model-quality"
EXPORT_SECONDS = 180.0
LOGGED = ("mean_radius", "mean_texture", "mean_concavity", "worst_area", "worst_smoothness", "worst_concavity")
METRICS = ("n", "accuracy", "recall", "precision", "f1", "auc")
SIMULATED = """\
Real: 569 cases of the Breast Cancer Wisconsin data (UCI, CC BY 4.0) with their diagnoses. A logistic regression of 250
cases is served as a numeric SavedModel; the other 319 come to it in 6 weeks. Simulated: the times, and which cases a
doctor labels, 3 to 12 days later: 48 % of those that the model calls malignant and 18 % of the others, about 30 %.
"""


def agent_settings() -> AgentSettings:
    """Return the settings of the scenario's agent: a label counts for two weeks, and without one nothing is known."""
    return AgentSettings(
        attribution_window=ATTRIBUTION,
        feedback_type="label",
        absent_feedback="unknown",
        base_window=DAY,
        larger_windows=(WEEK, 4 * WEEK),
        curve_windows=(4 * WEEK,),
        segments=(),
        retention=False,
    )


@dataclass
class Practice:
    """The conversation with the model server.

    Attributes
    ----------
    answers : predicted label and truth of each case.
    labels : number of labels that were sent.
    """

    client: ModelServerClient
    timeline: Timeline
    answers: list[tuple[int, int]] = field(default_factory=list)
    labels: int = 0

    def judge(self, visit: Visit) -> None:
        """Send a case to the model, and plan the doctor's label."""
        body = {"timestamp": instants.text(visit.moment), "instances": [{"features": visit.case.features}]}
        (prediction,) = self.client.post("/predict", body)["predictions"]
        self.answers.append((prediction["label"], visit.case.truth))
        delay = visit.label_after[prediction["label"]]
        if delay is not None:
            moment = visit.moment + delay
            self.timeline.add(moment, self._label, prediction["prediction_id"], visit.case.truth, moment)

    def _label(self, prediction_id: str, truth: int, moment: datetime) -> None:
        event: dict[str, Any] = {"prediction_id": prediction_id, "type": "label", "label": truth}
        self.client.post("/feedback", {**event, "event_id": uuid7.make(moment), "timestamp": instants.text(moment)})
        self.labels += 1


def run(settings: Settings, out: Path, display: Display) -> None:
    """Serve the model, send the cases and the labels, and print what is known about the model."""
    for line in (*SIMULATED.splitlines(), ""):
        display.print_line(line)
    training, later = split(read_cases())
    of_scenario = scenario_settings(settings, out, agent_settings())
    server = dataclasses.replace(of_scenario.server, numeric_features=LOGGED, allow_client_timestamps=True)
    of_scenario = dataclasses.replace(of_scenario, server=server)
    with stage(of_scenario, out, display, "demo", (MODEL_SERVER,)) as place:
        model_dir = _save_model(linear_model(training), place)
        place.product.start_model_server(model_dir)
        with display.spinner("waiting for the model server"):
            url = place.product.wait_for_model_server()
        place.product.start_pipeline()
        start = (SystemClock().now() - SPAN).replace(hour=0, minute=0, second=0, microsecond=0)
        with closing(ModelServerClient(url)) as client:
            practice = replay(visits(later, start), client, place, start)
        place.display.print_table(
            segment_table(place.gateway, place.settings, (start, start + SPAN), MODEL, "", METRICS)
        )
        for line in selection_lines(practice.answers, practice.labels):
            display.print_line(line)
        place.print_locations(FIRST, start, start + SPAN, window="28d")


def replay(planned: Sequence[Visit], client: ModelServerClient, place: Stage, start: datetime) -> Practice:
    """Send everything in the order of time; the agent runs at the end of each week."""
    clock = ReplayClock(start)
    timeline = Timeline(clock)
    practice = Practice(client, timeline)
    for visit in planned:
        timeline.add(visit.moment, practice.judge, visit)
    agent, results = ReplayedAgent(place.gateway, place.settings, start), Results(place.gateway)
    weeks = SPAN // WEEK
    with place.display.bar(f"sending {len(planned)} cases; the agent runs after each week", weeks) as done:
        for week in range(1, weeks + 1):
            moment = start + week * WEEK
            timeline.run_until(moment)
            results.wait_for({"predictions": len(practice.answers), "feedback": practice.labels})
            agent.catch_up(moment + timedelta(minutes=5))
            done(week)
    return practice


def selection_lines(answers: Sequence[tuple[int, int]], labels: int) -> list[str]:
    """Return what the labelled cases cannot say: here, the truth of all cases is known (pure)."""
    malignant = [answer for answer, truth in answers if truth]
    recall = sum(malignant) / len(malignant) if malignant else 0.0
    accuracy = sum(answer == truth for answer, truth in answers) / len(answers)
    return [
        "",
        f"labels came for {labels} of {len(answers)} cases ({100 * labels / len(answers):.0f} %): all numbers are about"
        " these, and so are their intervals",
        "doctors label suspicious cases more often, so the labelled cases are no random sample: recall looks better"
        " than it is",
        f"the data know the truth of all cases: accuracy {accuracy:.3f}, recall {recall:.3f} over all"
        f" {len(answers)} of them",
    ]


def _save_model(model: dict[str, Any], place: Stage) -> Path:
    """Write the SavedModel in a process of its own, because TensorFlow would stay in this one."""
    weights, folder = place.folder.path / "weights.json", place.folder.path / "model" / "1"
    write_file(weights, json.dumps(model))
    log_path = place.product.log_dir / "export.log"
    argv = (sys.executable, "-m", "model_server.training.linear", "--weights", str(weights), "--out", str(folder))
    export = ChildProcess(Command("export", argv, log_path, reason_pattern=ERROR_LINE))
    with place.display.spinner("writing the SavedModel"):
        place.supervisor.start(export)
        export.wait_ready(lambda: not export.running and (folder / "model.json").exists(), EXPORT_SECONDS)
    place.supervisor.release(export)
    return folder.parent

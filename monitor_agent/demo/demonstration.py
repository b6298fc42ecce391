"""The demo: a real click log goes through the whole product, and the result is compared with the log."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from monitor_agent.clock import SystemClock
from monitor_agent.dashboards.addresses import viewer_address
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.reports import ReportContent, report
from monitor_agent.demo import model, tables
from monitor_agent.demo.applied_settings import set_up
from monitor_agent.demo.bad_release.report import run_short
from monitor_agent.demo.daily_cycles import DailyCycles
from monitor_agent.demo.display import Display
from monitor_agent.demo.folder import DemoFolder
from monitor_agent.demo.make_extract import load_or_make
from monitor_agent.demo.open_bandit import Impression, OpenBandit
from monitor_agent.demo.pages import by_day, with_page_positions
from monitor_agent.demo.replay import (
    CATEGORICAL_FEATURES,
    LABELS,
    NUMERIC_FEATURES,
    ModelServerClient,
    Replay,
    Response,
)
from monitor_agent.demo.result_files import unwritable, write_file
from monitor_agent.demo.results import Results
from monitor_agent.demo.stage import (
    agent_log,
    displayed_path,
)
from monitor_agent.demo.summary import summarise
from monitor_agent.errors import ModelError, MonitorError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.gateway import Gateway
from monitor_agent.extras import PIPELINE, REPORTS, require
from monitor_agent.files import private_opener
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.stack.embedded.elasticsearch import cache_folder, components_of_start
from monitor_agent.stack.local import LocalProduct
from monitor_agent.stack.process import Supervisor

BASE, LARGEST = timedelta(hours=1), timedelta(days=1)
MOST_WINDOWS = 12
FIRST = "model-quality"
"""The dashboard whose address is printed."""
CHART_WINDOW = "1d"
"""The window size of the charts: an hour of this log holds one click at most."""
CHECK_EVERY = 64


@dataclass(frozen=True)
class DemoOptions:
    """A demo.

    Attributes
    ----------
    campaign : of the Open Bandit log.
    out : folder for all output; emptied at the start.
    model : a SavedModel, or a folder with one for each version; None = one trained on the log, kept in `models`.
    models : folder that keeps trained models, one sub-folder for each campaign.
    limit : replay the first impressions only; None = all.
    """

    campaign: str
    out: Path
    models: Path
    model: Path | None = None
    limit: int | None = None


class Demonstration:
    """One run of the demo; `run` does everything."""

    def __init__(self, options: DemoOptions, settings: Settings, display: Display) -> None:
        self._options = options
        self._settings = settings
        self._display = display
        self._folder = DemoFolder(options.out)

    def run(self) -> None:
        """Run the demo and stop all processes that it started, however it ends.

        Raises
        ------
        MonitorError
            If it fails; the message names the reason. Packages that are missing are named before anything starts.
        """
        options, print_line = self._options, self._display.print_line
        if options.model is not None and not model.has_model(options.model):
            raise ModelError(f"{options.model} holds no SavedModel", "leave --model out to train a new one")
        stack = dataclasses.replace(self._settings.stack, provider="embedded")
        models = [options.models / options.campaign, *([options.model] if options.model is not None else [])]
        require("demo", *components_of_start(stack), *model.components_of(*models), PIPELINE, REPORTS)
        with self._folder.locked(), Supervisor(print_line) as supervisor:
            product = LocalProduct(demo_settings(self._settings, self._folder), supervisor, print_line)
            product.start_elasticsearch()
            recorded = self._load()
            product.start_model_server(
                options.model
                or model.ensure_trained(recorded, options.models, self._folder.stack, supervisor, self._display)
            )
            with self._display.spinner("waiting for Elasticsearch and the model server"):
                product.wait_for_elasticsearch()
                url = product.wait_for_model_server()
            with closing(open_gateway(product.setup_access())) as gateway:
                set_up(gateway, product.settings, self._folder.settings)
            with agent_log(product), closing(open_gateway(product.settings.elasticsearch)) as gateway:
                product.start_pipeline()
                impressions, agent = recorded.evaluate[: options.limit], product.settings.agent
                results, cycles = Results(gateway), DailyCycles(gateway, agent)
                responses, feedback = self._replay(impressions, url, supervisor, results, cycles)
                self._conclude(results, agent, responses, feedback)
                charts = self._draw(gateway, impressions)
                self._print_locations(product, impressions, charts)
                if options.limit is None:
                    run_short(product.settings, gateway, self._folder, self._display)

    def _load(self) -> OpenBandit:
        configured = self._settings.stack.cache_dir
        cache = cache_folder(Path(configured) if configured else None) / "open-bandit"
        with self._display.spinner(f"reading the Open Bandit log, campaign {self._options.campaign}"):
            return load_or_make(self._options.campaign, cache)

    def _replay(
        self, impressions: Sequence[Impression], url: str, supervisor: Supervisor, results: Results, cycles: DailyCycles
    ) -> tuple[list[Response], list[str]]:
        """Send the impressions and their clicks, day by day, and run a cycle of the agent after each day.

        Returns
        -------
        responses : the answers of the model server.
        feedback : ids of the accepted feedback.
        """
        client, responses = ModelServerClient(url), []
        replay = Replay(client)
        title = f"replaying {len(impressions):,} impressions; the agent runs after each day"
        try:
            with (
                open(self._folder.responses, "w", encoding="utf-8", opener=private_opener) as file,
                self._display.bar(title, len(impressions), "calls") as done,
            ):
                for number, day in enumerate(by_day(impressions)):
                    for response in replay.responses(with_page_positions(day)):
                        file.write(json.dumps(asdict(response)) + "\n")
                        responses.append(response)
                        done(len(responses))
                        if len(responses) % CHECK_EVERY == 0:
                            supervisor.check()
                    results.wait_for({"predictions": len(responses), "feedback": len(replay.feedback)})
                    cycles.run(day[-1].timestamp)
                    if number == 0:
                        cycles.learn_reference(day[0].timestamp)
        except OSError as error:
            raise unwritable(self._folder.responses, error) from error
        finally:
            client.close()
        return responses, replay.feedback

    def _conclude(
        self, results: Results, settings: AgentSettings, responses: Sequence[Response], feedback: Sequence[str]
    ) -> None:
        """Verify that every event has arrived once, then print and write the agent's metrics."""
        accepted = {"predictions": [response.prediction_id for response in responses], "feedback": feedback}
        sent = {kind: len(ids) for kind, ids in accepted.items()}
        indexed = results.counts()
        results.require_exactly_once(accepted)
        self._display.print_line(
            f"exactly once: all {sent['predictions']:,} accepted predictions and {sent['feedback']:,} accepted clicks"
            " are in Elasticsearch, each one time, nothing else is"
        )
        windows = results.windows()
        summary = summarise(
            campaign=self._options.campaign,
            sent=sent,
            indexed=indexed,
            feedback_status=results.feedback_status(),
            windows=windows,
            largest=Calendar(settings).names[-1],
        )
        write_file(self._folder.summary, json.dumps(summary, indent=1))
        for name in Calendar(settings).names:
            for table in tables.windows_tables(windows, name, most=MOST_WINDOWS, width=self._display.width):
                self._display.print_table(table)
        self._display.print_table(tables.totals_table(summary["totals"]))

    def _draw(self, gateway: Gateway, impressions: Sequence[Impression]) -> str:
        """Write the report with the charts; return its path, or the reason if that fails: the demo goes on."""
        start, end = _time_range(impressions)
        folder = Path(self._settings.kibana.folder)
        try:
            with self._display.spinner("drawing the charts"):
                dashboards = tuple(read_library(folder).dashboards)
                content = ReportContent(dashboards, start, end, {"window": (CHART_WINDOW,)})
                report(gateway, folder, self._folder.report, SystemClock().now(), content)
        except MonitorError as error:
            return f"none ({error})"
        return displayed_path(self._folder.report)

    def _print_locations(self, product: LocalProduct, impressions: Sequence[Impression], charts: str) -> None:
        folder, command = self._folder, displayed_path(Path(sys.executable).parent / "monitor-agent")
        data, (start, end) = f"--data {displayed_path(folder.stack)}", _time_range(impressions)
        viewer = viewer_address(self._settings)
        locations = {
            "answers of /predict, one a line": displayed_path(folder.responses),
            "metrics, all windows and totals": displayed_path(folder.summary),
            "the agent's settings": f"{displayed_path(folder.settings)}, for {command} --config",
            "event files of the model server": displayed_path(folder.log),
            "logs of the parts": displayed_path(product.log_dir),
            "charts": charts,
            "dashboards": f"{command} dashboards {data}, then {viewer}/dashboards/{FIRST}"
            f"?from={start}&to={end}&c.window={CHART_WINDOW}",
            "Elasticsearch, with these data": f"{command} stack up {data}",
        }
        self._display.print_line("")
        for title, location in locations.items():
            self._display.print_line(f"{title:<32} {location}")
        self._display.print_line("")


def demo_settings(settings: Settings, folder: DemoFolder) -> Settings:
    """Return the settings of a demo: free ports, its own folder, the log's own times, the user's stack."""
    defaults = Settings()
    return dataclasses.replace(
        defaults,
        agent=AgentSettings(base_window=BASE, larger_windows=(LARGEST,), retention=False, segments=LABELS),
        server=dataclasses.replace(
            defaults.server,
            port=0,
            log_dir=str(folder.log),
            labels=LABELS,
            numeric_features=NUMERIC_FEATURES,
            categorical_features=CATEGORICAL_FEATURES,
            environment="demo",
            allow_client_timestamps=True,
        ),
        pipeline=dataclasses.replace(settings.pipeline, data_dir=str(folder.pipeline), username="", password=""),
        stack=dataclasses.replace(
            settings.stack, provider="embedded", data_dir=str(folder.stack), http_port=0, short_lived=True
        ),
    )


def _time_range(impressions: Sequence[Impression]) -> tuple[str, str]:
    """Return the first day of the impressions, and the last moment of their last day."""
    return str(impressions[0].timestamp.date()), f"{impressions[-1].timestamp.date()}T23:59:59"

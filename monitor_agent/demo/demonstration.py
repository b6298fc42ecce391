"""The demo: a real click log through every part of the product, and what it finds compared with what was sent."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from monitor_agent import log
from monitor_agent.clock import SystemClock
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.reports import report
from monitor_agent.demo import model, open_bandit, tables
from monitor_agent.demo.display import Display
from monitor_agent.demo.folder import DemoFolder
from monitor_agent.demo.nights import Nights
from monitor_agent.demo.open_bandit import Impression, OpenBandit
from monitor_agent.demo.pages import days, placed
from monitor_agent.demo.replay import (
    CATEGORICAL_FEATURES,
    LABELS,
    NUMERIC_FEATURES,
    ModelServerClient,
    Replay,
    Response,
)
from monitor_agent.demo.results import Results
from monitor_agent.demo.summary import summarise
from monitor_agent.durations import format_duration
from monitor_agent.errors import DataError, ModelError, MonitorError
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.es.install import install
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.stack.embedded.elasticsearch import cache_folder
from monitor_agent.stack.local import LocalProduct
from monitor_agent.stack.process import Supervisor

BASE, LARGEST = timedelta(hours=1), timedelta(days=1)
MOST_WINDOWS = 12
FIRST = "model-quality"
"""The dashboard that a reader is sent to."""
SHOWN_WINDOW = "1d"
"""Hours of this log hold a click at most."""
CHECK_EVERY = 64


@dataclass(frozen=True)
class DemoOptions:
    """A demo.

    Attributes
    ----------
    campaign : of the Open Bandit log.
    out : folder for everything that is written; emptied at the start.
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
        """Run the demo and stop all that it started, however it ends; MonitorError says why it cannot."""
        options, say = self._options, self._display.say
        if options.model is not None and not model.has_model(options.model):
            raise ModelError(f"{options.model} holds no SavedModel", "leave --model out to have one trained")
        with self._folder.taken(), Supervisor(say) as supervisor:
            product = LocalProduct(demo_settings(self._settings, self._folder), supervisor, say)
            product.start_elasticsearch()
            recorded = self._load()
            product.start_model_server(
                options.model
                or model.trained_on(recorded, options.models, self._folder.stack, supervisor, self._display)
            )
            with self._display.waiting("waiting for Elasticsearch and the model server"):
                product.wait_for_elasticsearch()
                url = product.wait_for_model_server()
            with self._agent_log(product), closing(Gateway(connect(product.settings.elasticsearch))) as gateway:
                install(gateway, product.settings.agent)
                product.start_pipeline()
                impressions, agent = recorded.evaluate[: options.limit], product.settings.agent
                results, nights = Results(gateway), Nights(gateway, agent)
                responses, feedback = self._replay(impressions, url, supervisor, results, nights)
                self._conclude(results, agent, responses, feedback)
                charts = self._draw(gateway, impressions)
            self._say_where(product, impressions, charts)

    def _load(self) -> OpenBandit:
        kept = self._settings.stack.cache_dir
        cache = cache_folder(Path(kept) if kept else None) / "open-bandit"
        with self._display.waiting(f"reading the Open Bandit log, campaign {self._options.campaign}"):
            return open_bandit.load(self._options.campaign, cache)

    @contextmanager
    def _agent_log(self, product: LocalProduct) -> Iterator[None]:
        """Send the agent's own log, as it runs in this process, to a file beside the other parts' logs."""
        with (product.log_dir / "agent.log").open("a", encoding="utf-8", buffering=1) as stream:
            log.configure("monitor-agent", stream=stream)
            try:
                yield
            finally:
                log.configure("monitor-agent")

    def _replay(
        self, impressions: Sequence[Impression], url: str, supervisor: Supervisor, results: Results, nights: Nights
    ) -> tuple[list[Response], list[str]]:
        """Send the impressions and their clicks, day by day, and let the agent work after each day.

        Return the answers and the ids of the accepted feedback.
        """
        client, responses = ModelServerClient(url), []
        replay = Replay(client)
        what = f"replaying {len(impressions):,} impressions, the agent at work after each day"
        try:
            with (
                self._folder.responses.open("w", encoding="utf-8") as file,
                self._display.bar(what, len(impressions), "calls") as done,
            ):
                for number, day in enumerate(days(impressions)):
                    for response in replay.responses(placed(day)):
                        file.write(json.dumps(asdict(response)) + "\n")
                        responses.append(response)
                        done(len(responses))
                        if len(responses) % CHECK_EVERY == 0:
                            supervisor.check()
                    results.wait_for({"predictions": len(responses), "feedback": len(replay.feedback)})
                    nights.work(day[-1].timestamp)
                    if number == 0:
                        nights.learn(day[0].timestamp)
        except OSError as error:
            raise _unwritable(self._folder.responses, error) from error
        finally:
            client.close()
        return responses, replay.feedback

    def _conclude(
        self, results: Results, settings: AgentSettings, responses: Sequence[Response], feedback: Sequence[str]
    ) -> None:
        """Verify that everything has arrived once, and show and write what the agent found."""
        accepted = {"predictions": [each.prediction_id for each in responses], "feedback": feedback}
        sent = {kind: len(ids) for kind, ids in accepted.items()}
        indexed = results.counts()
        results.require_exactly_once(accepted)
        self._display.say(
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
        self._write(self._folder.summary, json.dumps(summary, indent=1))
        self._write(self._folder.settings, agent_toml(settings))
        for name in Calendar(settings).names:
            for table in tables.windows_tables(windows, name, most=MOST_WINDOWS, width=self._display.width):
                self._display.show(table)
        self._display.show(tables.totals_table(summary["totals"]))

    @staticmethod
    def _write(path: Path, text: str) -> None:
        try:
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from error

    def _draw(self, gateway: Gateway, impressions: Sequence[Impression]) -> str:
        """Write the report with the charts; return where it is, or why there is none: the numbers are there anyway."""
        start, end = _shown_time(impressions)
        folder = Path(self._settings.kibana.folder)
        try:
            with self._display.waiting("drawing the charts"):
                report(
                    gateway,
                    folder,
                    self._folder.report,
                    SystemClock().now(),
                    dashboards=tuple(read_library(folder).dashboards),
                    start=start,
                    end=end,
                    chosen={"window": (SHOWN_WINDOW,)},
                )
        except MonitorError as error:
            return f"none ({error})"
        return _shown(self._folder.report)

    def _say_where(self, product: LocalProduct, impressions: Sequence[Impression], charts: str) -> None:
        folder, command = self._folder, _shown(Path(sys.executable).parent / "monitor-agent")
        data, (start, end) = f"--data {_shown(folder.stack)}", _shown_time(impressions)
        viewer = f"http://{self._settings.dashboards.host}:{self._settings.dashboards.port}"
        places = {
            "answers of /predict, one a line": _shown(folder.responses),
            "metrics, all windows and totals": _shown(folder.summary),
            "the agent's settings": f"{_shown(folder.settings)}, for {command} --config",
            "event files of the model server": _shown(folder.log),
            "logs of the parts": _shown(product.log_dir),
            "charts": charts,
            "dashboards": f"{command} dashboards {data}, then {viewer}/dashboards/{FIRST}"
            f"?from={start}&to={end}&c.window={SHOWN_WINDOW}",
            "Elasticsearch, with these data": f"{command} stack up {data}",
        }
        self._display.say("")
        for what, place in places.items():
            self._display.say(f"{what:<32} {place}")
        self._display.say("")


def demo_settings(settings: Settings, folder: DemoFolder) -> Settings:
    """Return the settings of a demo: free ports, its own folder, the log's own times; the stack as the user has it."""
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
        stack=dataclasses.replace(settings.stack, provider="embedded", data_dir=str(folder.stack), http_port=0),
    )


def agent_toml(settings: AgentSettings) -> str:
    """Return the settings that are not the default ones as a file for `monitor-agent --config`."""
    lines = ["# What the demo's agent ran with: another run with it over the same days changes nothing.", "[agent]"]
    for each in dataclasses.fields(settings):
        value = getattr(settings, each.name)
        if value != each.default:
            # What JSON writes of texts, truths and lists of them is TOML too.
            lines.append(f"{each.name} = {json.dumps(value, default=format_duration)}")
    return "\n".join(lines)


def _shown_time(impressions: Sequence[Impression]) -> tuple[str, str]:
    """Return the first day of the impressions, and the last moment of their last day."""
    return str(impressions[0].timestamp.date()), f"{impressions[-1].timestamp.date()}T23:59:59"


def _shown(path: Path) -> str:
    """Return a path as the user would type it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be written ({error.strerror or error})", "free disk space")

"""The scenario `bad-release`: a world is replayed through the pipeline and the agent, and the fall is reported."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from monitor_agent.alerting.alert_store import stored_firings
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.demo import open_bandit
from monitor_agent.demo.bad_release.click_model import Catalogue
from monitor_agent.demo.bad_release.findings import Findings
from monitor_agent.demo.bad_release.plans import Plan
from monitor_agent.demo.bad_release.preparation import Order, Step, prepared_ahead
from monitor_agent.demo.bad_release.troubles import HOUR
from monitor_agent.demo.bad_release.verdict import find_fall
from monitor_agent.demo.delivery import ReplayDelivery, delivery_of
from monitor_agent.demo.display import Display
from monitor_agent.demo.replayed_agent import ReplayedAgent
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History, Selection
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.metrics import WindowState
from monitor_agent.notifying.notifier import Notifier
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.ranges import WindowRun
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.vocabulary.counted_nouns import counted

BASE, LARGEST = timedelta(hours=1), timedelta(days=1)


def agent_settings() -> AgentSettings:
    """Return the settings of the scenario's agent: it runs once in an hour, for windows of an hour."""
    return AgentSettings(period=BASE, base_window=BASE, larger_windows=(LARGEST,), segments=(), retention=False)


class BadRelease:
    """One run of a plan on an Elasticsearch that has the product's templates.

    Parameters
    ----------
    settings : with the address of Elasticsearch and the users of the pipeline and the agent.
    folder : for event files.
    notifier : tells people of the alerts of the replay; None = nobody is told.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        gateway: Gateway,
        folder: Path,
        display: Display,
        now: datetime | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        catalogue = Catalogue.of(open_bandit.load("all", open_bandit.BUNDLED))
        self._plan = plan
        self.world = plan.world(catalogue, now or SystemClock().now())
        self._settings = settings
        self._gateway = gateway
        self._folder = folder
        self._display = display
        self._notifier = notifier

    def run(self) -> Findings:
        """Replay the world and return what the product found."""
        world = self.world
        # The agent knows what has arrived by its cycle, and nothing later.
        cycles = [world.start + hour * HOUR + world.tail for hour in range(world.hours + 1)]
        order = Order(
            world, self._settings, self._folder, [until for moment in cycles for until in (moment - world.tail, moment)]
        )
        agent = ReplayedAgent(self._gateway, self._settings.agent, world.start, self._notifier)
        title = f"replaying {world.hours} hours of {counted(len(world.models), 'model')}"
        with (
            rare_garbage_collection(),
            prepared_ahead(order) as steps,
            delivery_of(self._settings, order.data_dir, socket.gethostname()) as delivery,
            self._display.bar(title, len(cycles)) as done,
        ):
            for hour, moment in enumerate(cycles):
                for step in islice(steps, 2):
                    delivery.send(step.documents)
                self._run_agent(agent, delivery, hour, moment)
                done(hour + 1)
        return self._findings(step)

    def _run_agent(self, agent: ReplayedAgent, delivery: ReplayDelivery, hour: int, moment: datetime) -> None:
        """Run the agent: in each hour of a live stretch, when the window before is final, and once before it."""
        live = self._plan.is_live(hour)
        if not live and not self._plan.is_live(hour + 1):
            return
        delivery.flush()
        if live:
            agent.cycle(moment)
        else:
            agent.catch_up(moment)

    def _findings(self, written: Step) -> Findings:
        world = self.world
        (baseline,) = [model.version for model in world.models if model.name == world.rollout.model]
        self._gateway.refresh([PERFORMANCE.alias, ALERTS.alias])
        states = self._states(world.rollout.model, (baseline, world.rollout.version))
        fall = find_fall(states.get(baseline, {}), states.get(world.rollout.version, {}), self._settings.agent)
        firings = stored_firings(self._gateway, instants.EPOCH, self._settings.agent.page_size)
        active = [firing for firing in firings if firing.active_since and firing.active_since >= world.start]
        return Findings(world, written.predictions, written.clicks, written.lost, fall, active[::-1])

    def _states(self, model: str, versions: tuple[str, ...]) -> dict[str, dict[datetime, WindowState]]:
        """Return the states of the base windows by version and start."""
        calendar = Calendar(self._settings.agent)
        run = WindowRun(self.world.start, self.world.end, calendar.names[0])
        states: dict[str, dict[datetime, WindowState]] = {}
        history = History(self._gateway, self._settings.agent.page_size)
        for document in history.stored_metrics(run, Selection(model, versions)):
            states.setdefault(document.version, {})[document.start] = document.state
        return states

"""The scenario `ads`: the campaign `men` of the click log, judged by purchases that come up to a week later."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from monitor_agent.demo import open_bandit
from monitor_agent.demo.advertising.conversions import Purchase, advertiser_of, purchases
from monitor_agent.demo.advertising.scorer import Scorer
from monitor_agent.demo.delivery import Line, delivery_of
from monitor_agent.demo.display import Display
from monitor_agent.demo.event_lines import ReplayClock, ServiceFile
from monitor_agent.demo.open_bandit import Impression
from monitor_agent.demo.replayed_agent import ReplayedAgent
from monitor_agent.demo.stage import Stage, scenario_settings, stage
from monitor_agent.demo.timeline import Timeline
from monitor_agent.demo.totals_by_segment import segment_table
from monitor_agent.pipeline.instants import DAY
from monitor_agent.prediction_log import PredictionLog
from monitor_agent.settings import AgentSettings, Settings

CAMPAIGN, MODEL, VERSION = "men", "advertising", "1"
THRESHOLD = 0.01
CLICK_DELAY = timedelta(seconds=1)
ATTRIBUTION = timedelta(days=7)
FIRST = "model-quality"
METRICS = ("n", "ctr", "conversion_rate", "value_per_thousand", "auc")
SIMULATED = """\
Real: 10,000 impressions and 69 clicks of one week (Open Bandit log, campaign `men`, CC BY 4.0). Simulated, by a stated
rule: the purchases, days later, with their values (30 % of the clicks and 0.6 % of the other impressions, after 2 days
on average), and the two advertisers (items with even and odd numbers). A logistic regression on the log's random part
gives the scores. The lines go through the product's pipeline and agent, by a clock that runs through those two weeks.
"""
SEGMENTS = ("advertiser",)


def agent_settings() -> AgentSettings:
    """Return the settings of the scenario's agent: a purchase counts for a week; windows of a day."""
    return AgentSettings(
        attribution_window=ATTRIBUTION,
        feedback_type="purchase",
        base_window=DAY,
        larger_windows=(7 * DAY,),
        curve_windows=(7 * DAY,),
        segments=SEGMENTS,
        retention=False,
    )


@dataclass(frozen=True)
class Advertisements:
    """What is replayed.

    Attributes
    ----------
    scores, purchases : one score for each impression; the purchases after them.
    """

    impressions: Sequence[Impression]
    scorer: Scorer
    scores: Sequence[float]
    purchases: Sequence[Purchase]


def load() -> Advertisements:
    """Return the campaign with its scores and its purchases."""
    log = open_bandit.load(CAMPAIGN, open_bandit.BUNDLED)
    bought = {purchase.impression for purchase in purchases(log.train, seed=1)}
    scorer = Scorer.fitted(log.train, [int(number in bought) for number in range(len(log.train))])
    return Advertisements(log.evaluate, scorer, scorer.scores(log.evaluate), list(purchases(log.evaluate)))


def run(settings: Settings, out: Path, display: Display) -> None:
    """Replay the campaign and print what each advertiser gets."""
    for line in (*SIMULATED.splitlines(), ""):
        display.print_line(line)
    with stage(scenario_settings(settings, out, agent_settings()), out, display, "demo") as place:
        advertisements = load()
        replay(advertisements, place)
        first, last = (advertisements.impressions[number].timestamp for number in (0, -1))
        start, end = _day(first), _day(last) + DAY
        display.print_table(segment_table(place.gateway, place.settings, (start, end), MODEL, "advertiser", METRICS))
        place.print_locations(FIRST, start, end, window="7d")


def replay(advertisements: Advertisements, place: Stage) -> None:
    """Write, deliver and count everything, day by day, until the last purchase cannot count any more."""
    impressions = advertisements.impressions
    clock = ReplayClock(impressions[0].timestamp)
    file = ServiceFile.opened(place.folder.log, clock)
    with (
        closing(file.log),
        delivery_of(place.product.settings, place.folder.pipeline, socket.gethostname()) as delivery,
    ):
        timeline = Timeline(clock)
        _fill(timeline, advertisements, file)
        agent = ReplayedAgent(place.gateway, place.settings, clock.moment)
        first_day = _day(impressions[0].timestamp)
        days = (_day(impressions[-1].timestamp) + DAY - first_day + ATTRIBUTION) // DAY
        with place.display.bar(f"replaying {days} days; the agent runs after each day", days) as done:
            for number in range(1, days + 1):
                moment = first_day + number * DAY + timedelta(minutes=5)
                timeline.run_until(moment)
                lines: list[Line] = [(line, file.path) for line in file.new_lines()]
                delivery.deliver(lines)
                delivery.flush()
                agent.catch_up(moment)
                done(number)


def _fill(timeline: Timeline, advertisements: Advertisements, file: ServiceFile) -> None:
    """Put every impression, click and purchase at its moment."""
    log = PredictionLog(
        file.log, model=MODEL, version=VERSION, threshold=THRESHOLD, environment="demo", service_name="ad-server"
    )
    ids: dict[int, str] = {}

    def show(number: int) -> None:
        impression = advertisements.impressions[number]
        record = {
            "score": advertisements.scores[number],
            "item_id": f"item-{impression.item_id}",
            "position": impression.position,
            "propensity": impression.propensity,
            "features": {"numeric": advertisements.scorer.features(impression)},
        }
        labels = {"advertiser": advertiser_of(impression)}
        (answer,) = log.predictions([record], labels=labels, is_list=False)
        ids[number] = answer.id

    def send(number: int, feedback_type: str, value: float | None) -> None:
        event = {"prediction_id": ids[number], "type": feedback_type}
        log.feedback(event if value is None else {**event, "value": value})

    for number, impression in enumerate(advertisements.impressions):
        timeline.add(impression.timestamp, show, number)
        if impression.click:
            timeline.add(impression.timestamp + CLICK_DELAY, send, number, "click", None)
    for purchase in advertisements.purchases:
        timeline.add(purchase.moment, send, purchase.impression, "purchase", purchase.value)


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)

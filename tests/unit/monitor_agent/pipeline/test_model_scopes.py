"""Groups of models with equal settings: each window has one, whichever way somebody looks for it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import hypothesis
from hypothesis import strategies as st

from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_history import ModelHistory
from monitor_agent.pipeline.model_scopes import WHOLE_SCOPE, SettingsByModel
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MONDAY = datetime(2026, 11, 23, tzinfo=timezone.utc)
PROCESS = AgentSettings(page_size=7)


def history(*tables: dict[str, dict[str, str]]) -> ModelHistory:
    """Return a history with a change at ten o'clock of each day."""
    result = ModelHistory()
    for number, entry in enumerate(tables):
        result = result.with_change(entry, MONDAY + number * DAY + 10 * HOUR)
    return result


def test_one_group_asks_for_everything_without_filters() -> None:
    """Models with equal settings, from whichever table, cost no search of their own."""
    tables = {"default": {"gate_positives": "5"}, "fraud": {"gate_positives": "5"}}

    rules = SettingsByModel.of(history(tables), {"click": 1, "fraud": 1}, PROCESS)

    ((settings, scope),) = rules.scopes.items()
    assert (settings.gate_positives, settings.page_size) == (5, 7)
    assert scope.filters("model.name") == []
    assert scope.includes(ModelWindow("new", Calendar(settings).base_window(MONDAY)))


def test_without_stored_settings_the_process_decides() -> None:
    """As before the first set-up of this release."""
    rules = SettingsByModel.of(ModelHistory(), {}, PROCESS)

    assert (rules.scopes, rules.default) == ({PROCESS: WHOLE_SCOPE}, PROCESS)


def test_a_group_asks_for_its_models_and_their_times() -> None:
    """The group of `default` asks for all models that nobody has met, too."""
    changed = history({"default": {}}, {"default": {}, "fraud": {"attribution_window": "2h"}})

    rules = SettingsByModel.of(changed, {"click": 1, "fraud": 1}, PROCESS)

    of_default, of_fraud = rules.scopes.values()
    second = (MONDAY + 2 * DAY).timestamp() * 1000
    assert of_fraud.filters("model.name") == [
        {
            "bool": {
                "should": [
                    {
                        "bool": {
                            "filter": [
                                {"terms": {"model.name": ["fraud"]}},
                                {"range": {"@timestamp": {"gte": second, "format": "epoch_millis"}}},
                            ]
                        }
                    }
                ],
                "minimum_should_match": 1,
            }
        }
    ]
    assert {"bool": {"must_not": [{"terms": {"model.name": ["click", "fraud"]}}]}} in of_default.filters("model.name")[
        0
    ]["bool"]["should"]
    assert not of_fraud.overlaps(Interval(MONDAY, MONDAY + 2 * DAY))
    assert of_fraud.overlaps(Interval(MONDAY, MONDAY + 3 * DAY))
    assert rules.patient.attribution_window == 2 * HOUR


TABLE = st.fixed_dictionaries(
    {},
    optional={
        "time_zone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"]),
        "base_window": st.sampled_from(["1m", "15m", "1h"]),
        "attribution_window": st.sampled_from(["30m", "1d"]),
    },
)
TABLES = st.fixed_dictionaries({"default": TABLE}, optional={"fraud": TABLE, "f*": TABLE})


@hypothesis.given(
    st.lists(TABLES, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["click", "fraud", "for-you"]), st.integers(1, 4)),
    st.sampled_from(["click", "fraud", "for-you", "new"]),
    st.integers(0, 6 * 24),
)
def test_a_base_window_has_exactly_one_group(
    tables: list[dict[str, dict[str, str]]], met: dict[str, int], model: str, hours: int
) -> None:
    """The group that decides the moment decides the window that holds it, and no second group does."""
    rules = SettingsByModel.of(history(*tables), met, PROCESS)
    moment = MONDAY + hours * HOUR + timedelta(minutes=7)

    settings = rules.settings_at(model, moment)
    row = ModelWindow(model, Calendar(settings).base_window(moment))

    assert [group for group, scope in rules.scopes.items() if scope.includes(row)] == [settings]

"""Reads documents of Elasticsearch as tables: metrics, curves, and predictions with the labels that metrics count."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor_agent.analysis.tables import columns_of, flat, table_of
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.curve import CURVES
from monitor_agent.contracts.index_contract import IndexContract, integer
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import SettingsError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.damaged_documents import REPAIR, reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.es.retry import Backoff
from monitor_agent.extras import ANALYSIS, require
from monitor_agent.kibana import times
from monitor_agent.pipeline import instants, labels
from monitor_agent.pipeline.countable import COUNTABLE_PREDICTION
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.settings import AgentSettings, Settings, load

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "label"
_LABEL_FIELD = integer("the label that metrics count: 1, 0, or null if it is not known")
_ORDER = ("window_start", "model_name", "model_version", "segment")
_SUBJECT = "monitor_agent.analysis"


def metrics(
    start: datetime | str,
    end: datetime | str,
    *,
    window: str = "1h",
    model: str = "",
    version: str = "",
    segment: str = ALL_SEGMENT,
    settings: Settings | None = None,
) -> pa.Table:
    """Return the metrics documents of windows that begin in [start, end): one row for each, by time.

    Parameters
    ----------
    start, end : times; a text is ISO 8601 (without an offset: UTC) or date math such as `now-7d`.
    window : the size of the windows, such as `1m`, `1h` or `1d`.
    model, version : one model, one version (`all` = across versions); empty = each.
    segment : `all`, or a label with its value, such as `labels.scene=search`; empty = each.
    settings : which Elasticsearch is read, and how; None = as the environment says.

    Returns
    -------
    table : the fields of docs/fields.md under `model-performance`, as columns.

    Raises
    ------
    MissingPackageError
        If the extra `analysis` is not installed.
    SettingsError
        If the range is empty, or a time or a setting is malformed.
    ElasticsearchError
        If Elasticsearch cannot be read.
    """
    settings = _ready(settings)
    names = {"window_size": window, "model_name": model, "model_version": version, "segment": segment}
    filters = _filters(_interval(start, end), names)
    return _sorted(_table(PERFORMANCE, filters, settings), _ORDER)


def curves(
    start: datetime | str,
    end: datetime | str,
    curve: str,
    *,
    window: str = "1d",
    model: str = "",
    version: str = "",
    settings: Settings | None = None,
) -> pa.Table:
    """Return the points of curves of windows that begin in [start, end): one row for each, by time and number.

    Parameters
    ----------
    curve : `reliability`, `threshold`, `score`, `position` or `feature`.

    The parameters and errors are those of `metrics`; the columns are the fields of `model-curves` in docs/fields.md.

    Raises
    ------
    MonitorError
        As `metrics` does.
    """
    settings = _ready(settings)
    names = {"window_size": window, "model_name": model, "model_version": version, "curve": curve}
    filters = _filters(_interval(start, end), names)
    return _sorted(_table(CURVES, filters, settings), (*_ORDER, "feature", "bin"))


def predictions(
    start: datetime | str,
    end: datetime | str,
    *,
    model: str = "",
    version: str = "",
    settings: Settings | None = None,
) -> pa.Table:
    """Return the predictions of [start, end) that metrics count, joined with their feedback: one row for each, by time.

    The columns are the fields of `model-predictions` in docs/fields.md, and `label`: the label that metrics count at
    the time of the call, 1 or 0, or null if it is not known. A name of a client is a column of its own, such as
    `labels.scene` or `features.numeric.price`. The whole table is in memory.

    The parameters and errors are those of `metrics`.

    Raises
    ------
    MonitorError
        As `metrics` does.
    """
    settings = _ready(settings)
    names = {"model.name": model, "model.version": version}
    filters = [*_filters(_interval(start, end), names), COUNTABLE_PREDICTION]
    now = SystemClock().now()
    with closing(_gateway(settings)) as gateway:
        rules = read_rules(gateway, settings.agent, model)
        rows = (
            {**row, LABEL: labels.label_of(row, _decided(row, rules), now)}
            for row in _rows(gateway, PREDICTIONS, filters, settings)
        )
        table = table_of(rows, {**columns_of(PREDICTIONS), LABEL: _LABEL_FIELD})
    return _sorted(table, ("@timestamp", "event.id"))


def _ready(settings: Settings | None) -> Settings:
    require(_SUBJECT, ANALYSIS)
    return settings or load(os.environ)


def _interval(start: datetime | str, end: datetime | str) -> Interval:
    now = SystemClock().now()
    first, last = (
        times.moment(instants.text(end_) if isinstance(end_, datetime) else end_, now) for end_ in (start, end)
    )
    if first >= last:
        raise SettingsError("the range does not end after it starts", "give its first moment, then the moment after it")
    return Interval(first, last)


def _filters(interval: Interval, names: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return the filters of a query; a name without a value filters nothing."""
    return [instants.within(interval), *({"term": {name: value}} for name, value in names.items() if value)]


def _table(contract: IndexContract, filters: Sequence[Mapping[str, Any]], settings: Settings) -> pa.Table:
    with closing(_gateway(settings)) as gateway:
        return table_of(_rows(gateway, contract, filters, settings), columns_of(contract))


def _rows(
    gateway: Gateway, contract: IndexContract, filters: Sequence[Mapping[str, Any]], settings: Settings
) -> Iterator[dict[str, Any]]:
    """Yield the documents without nesting."""
    body = {"query": {"bool": {"filter": list(filters)}}}
    for hit in gateway.scan(contract.alias, body, settings.agent.page_size):
        with reading(hit, REPAIR):
            row = dict(flat(hit["_source"]))
        yield row


def _gateway(settings: Settings) -> Gateway:
    return open_gateway(settings.elasticsearch, Backoff(tries=2))  # a user waits for the answer


def _decided(row: Mapping[str, Any], rules: SettingsByModel) -> AgentSettings:
    """Return the settings that decide the label of a prediction."""
    return rules.settings_at(row["model.name"], instants.parse(row["@timestamp"]))


def _sorted(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in columns])

"""What facts about a machine, a pipeline and a cluster mean for the user of `monitor-agent check`."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.cli.check import WIDTH, table
from monitor_agent.diagnosis import alert_windows, cluster, local_pipeline, machine
from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.diagnosis.listeners import Listener, listener_on
from monitor_agent.es.cluster_facts import ClusterFacts, NodeFacts
from monitor_agent.es.obstacles import IndexState, Obstacle, contract_of
from monitor_agent.settings import AgentSettings, Settings, StackSettings

GIB = 1024**3
NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
WATERMARKS = {
    "threshold_enabled": "true",
    "watermark.low": "85%",
    "watermark.high": "90%",
    "watermark.flood_stage": "95%",
}
FACTS = ClusterFacts("shop", "green", (NodeFacts("node-1", "9.5.0", 100 * GIB, 50 * GIB),), 0.0, 0.01, WATERMARKS)


def with_node(**changes: Any) -> ClusterFacts:
    """Return the facts with another node."""
    return replace(FACTS, nodes=(replace(FACTS.nodes[0], **changes),))


@pytest.mark.parametrize(
    ("version", "state"), [("8.19.21", OK), ("9.5.0", OK), ("8.18.2", FAILED), ("7.17.0", FAILED), ("10.0.0", WARNING)]
)
def test_the_version_of_elasticsearch(version: str, state: str) -> None:
    """8.19 and 9 are supported."""
    assert cluster.check_version(with_node(version=version)).state == state


def test_nodes_of_different_versions_are_worth_a_warning() -> None:
    """An upgrade has stopped half-way."""
    mixed = replace(FACTS, nodes=(*FACTS.nodes, NodeFacts("node-2", "8.19.21", GIB, GIB)))

    assert cluster.check_version(mixed).finding == "nodes have different versions: 8.19.21 and 9.5.0"


@pytest.mark.parametrize(
    ("ahead", "error", "state"),
    [(0.4, 0.0, OK), (-3.0, 0.0, OK), (-30.0, 0.0, WARNING), (30.0, 29.5, OK), (400.0, 0.5, FAILED)],
)
def test_the_difference_of_the_clocks(ahead: float, error: float, state: str) -> None:
    """What the duration of the request explains is no difference; MONITOR_CLOCK_SKEW is the limit."""
    facts = replace(FACTS, clock_ahead=ahead, clock_error=error)

    assert cluster.check_clock(facts, timedelta(minutes=5)).state == state


@pytest.mark.parametrize(
    ("available", "changes", "state"),
    [
        (50, {}, OK),
        (14, {}, WARNING),
        (9, {}, WARNING),
        (4, {}, FAILED),
        (4, {"threshold_enabled": "false"}, OK),
        (4, {"watermark.flood_stage.max_headroom": "3gb"}, WARNING),
        (40, {"watermark.flood_stage": "45gb"}, FAILED),
        (40, {"watermark.flood_stage": "0.5"}, FAILED),
    ],
)
def test_the_watermarks_of_elasticsearch(available: int, changes: dict[str, str], state: str) -> None:
    """Shares, sizes and headrooms count as Elasticsearch counts them."""
    facts = replace(with_node(available=available * GIB), watermarks={**WATERMARKS, **changes})

    assert cluster.check_watermarks(facts).state == state


def test_a_red_cluster_fails_and_a_yellow_one_does_not() -> None:
    """A cluster of one node may be yellow for ever."""
    states = [cluster.check_health(replace(FACTS, status=status), "http://es").state for status in ("yellow", "red")]

    assert states == [OK, FAILED]


@pytest.mark.parametrize(("days", "state"), [(90, OK), (10, WARNING)])
def test_a_certificate_that_expires_soon(days: int, state: str) -> None:
    """There is time to renew it."""
    assert cluster.check_certificate(NOW + timedelta(days=days), NOW).state == state


def test_missing_privileges_are_named() -> None:
    """Without security, nobody needs any."""
    result = cluster.check_privileges("user", "monitor_agent", ("me", ["monitor", "read on model-errors*"]))

    assert (result.state, result.finding) == (FAILED, "me lacks monitor; read on model-errors*")
    assert cluster.check_privileges("user", "monitor_agent", ("me", [])).state == OK
    assert cluster.check_privileges("user", "monitor_agent", None).state == SKIPPED


def test_templates_and_indices_that_need_setup() -> None:
    """What keeps events from being counted fails; what only lacks new fields is a warning."""
    contract = contract_of("model-errors-2026.11.23")
    assert contract is not None
    state = IndexState("model-errors-2026.11.23", contract, contract.mapping(), frozenset({"model-errors"}))
    wrong = replace(state, mapping={"properties": {"message": {"type": "long"}}})
    rival = Obstacle("the index template rival", "it has a higher priority", "delete it")

    states = [[row.state for row in rows] for rows in (
        cluster.check_templates([], [], []),
        cluster.check_templates(["model-errors"], ["model-drift"], [rival]),
        cluster.check_indices([]),
        cluster.check_indices([state]),
        cluster.check_indices([wrong]),
        cluster.check_indices([replace(state, aliases=frozenset())]),
        cluster.check_indices([replace(state, name="model-errors-backup")]),
        cluster.check_indices([replace(state, mapping={})]),
        cluster.check_indices([replace(state, read_only="index.blocks.read_only")]),
    )]  # fmt: skip

    assert states == [[OK], [FAILED, WARNING, FAILED], [OK], [OK], [FAILED], [FAILED], [WARNING], [WARNING], [WARNING]]


def statistics(**changes: Any) -> dict[str, Any]:
    """Return the statistics of a pipeline that has delivered everything, with changes of its input."""
    backlog = {"files": 2, "bytes": 900, "bytes_behind": 0, "seconds_behind": 0.0, **changes.pop("backlog", {})}
    return {"state": "running", "trouble": "", "parked": [], "inputs": {"log": backlog}, **changes}


@pytest.mark.parametrize(
    ("document", "runs", "state"),
    [
        (None, False, SKIPPED),
        (statistics(), True, OK),
        (statistics(backlog={"bytes_behind": 10, "seconds_behind": 5.0}), True, OK),
        (statistics(backlog={"bytes_behind": 10, "seconds_behind": 90.0}), True, WARNING),
        (statistics(backlog={"bytes_behind": 10, "seconds_behind": 900.0}), True, FAILED),
        (statistics(trouble="it does not answer"), True, WARNING),
        (statistics(parked=[{"index": "a", "reason": "closed", "documents": 3, "bytes": 9}]), True, WARNING),
        (statistics(state="stopped"), False, OK),
        (statistics(state="stopped", backlog={"bytes_behind": 10}), False, WARNING),
        (statistics(state="running"), False, WARNING),
    ],
)
def test_the_pipeline_of_this_machine(document: dict[str, Any] | None, runs: bool, state: str) -> None:
    """A pipeline that lags as much as the alert allows has failed; one that was stopped in order has not."""
    result = local_pipeline.check_pipeline(document, runs=runs, folder="var/pipeline")

    assert result.state == state
    assert bool(result.remedy) == (state in (WARNING, FAILED))


def test_dead_letters_are_worth_a_warning() -> None:
    """They are counted in both places."""
    assert local_pipeline.check_dead_letters(0, 0).state == OK
    assert local_pipeline.check_dead_letters(None, 0).state == OK
    assert local_pipeline.check_dead_letters(2, 1).finding == "2 in Elasticsearch and 1 on this machine"


def test_alerts_find_their_windows_in_the_settings() -> None:
    """Without windows of an hour, the alerts on quality could never become active."""
    alerts = load_alerts()
    (fine,) = alert_windows.check_windows(alerts, AgentSettings())
    (failed,) = alert_windows.check_windows(alerts, replace(AgentSettings(), larger_windows=(timedelta(days=1),)))

    assert fine.state == OK
    assert failed.state == FAILED
    assert "quality-below-threshold" in failed.finding
    assert "add 1h to MONITOR_LARGER_WINDOWS" in failed.remedy


@pytest.mark.parametrize(
    ("change", "state", "finding"),
    [
        ({"base_window": timedelta(minutes=5)}, OK, "all their windows are computed"),
        ({"attribution_window": timedelta(days=1)}, OK, "all their windows are computed"),
        (
            {"period": timedelta(minutes=15)},
            FAILED,
            "expects a cycle every 10m, but MONITOR_PERIOD is 15m",
        ),
    ],
)
def test_alerts_that_the_settings_silence_are_named(change: dict[str, Any], state: str, finding: str) -> None:
    """Longer windows, labels and cycles are no trouble: the agent looks back for longer."""
    (result,) = alert_windows.check_windows(load_alerts(), AgentSettings(**change))

    assert result.state == state
    assert finding in result.finding


def test_a_list_that_asks_for_the_drift_of_base_windows_is_named() -> None:
    """Drift is measured for larger windows only."""
    where = "window_size: 1h and drift_share >= 0.5"
    alerts = [
        replace(alert, index="model-performance-*", where=where) for alert in load_alerts() if alert.id == "drift"
    ]
    (result,) = alert_windows.check_windows(alerts, AgentSettings(base_window=timedelta(hours=1)))

    assert result.state == WARNING
    assert "1h is the base window, and drift is measured for larger" in result.finding


def test_windows_below_the_base_window_need_a_smaller_one() -> None:
    """A larger window of 1h cannot be merged from windows of 2h: an alert on windows of 1h judges those of 2h."""
    settings = AgentSettings(base_window=timedelta(hours=2))
    (fine,) = alert_windows.check_windows(load_alerts(), settings)
    listed = replace(load_alerts()[0], where="window_size: (30m or 1h) and f1_high < 0.2")
    (result,) = alert_windows.check_windows([listed], settings)

    assert (fine.state, result.state) == (OK, FAILED)
    assert result.remedy.startswith("make MONITOR_BASE_WINDOW=2h smaller, or change the alerts")


def test_an_alert_that_looks_back_too_little_for_its_labels_fails() -> None:
    """A window of a day is final a day and 32 minutes after its start."""
    alert = replace(load_alerts()[0], where="window_size: 1d and alertable: true and f1_high < 0.2")
    (result,) = alert_windows.check_windows([alert], AgentSettings())

    assert result.state == FAILED
    assert "looks back for 4h, but a window of 1d has its labels only 1472m after its start" in result.finding


def test_an_alert_needs_only_one_of_several_windows() -> None:
    """`not` asks for no window."""
    alert = load_alerts()[0]
    either = replace(alert, where=f"({alert.where}) and window_size: (1h or 1w)")
    other = replace(alert, where="f1_high < 0.2 and not window_size: 1w")
    optional = replace(alert, where="f1_high < 0.2 and (window_size: 1w or segment: all)")

    assert [row.state for row in alert_windows.check_windows([either, other, optional], AgentSettings())] == [OK]


def test_packages_that_are_missing_or_too_old() -> None:
    """Packages of extras are not needed."""
    versions = {"numpy": "1.20.0", "rich": "13.9.4"}

    def version_of(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    stated = ["numpy<3,>=1.26", "rich<16,>=13.9", "orjson>=3.10", "flask>=3.1; extra == 'server'"]
    result = machine.check_packages(stated, version_of)

    assert result.state == FAILED
    assert result.finding.endswith("; numpy is 1.20.0, not <3,>=1.26; orjson is missing")
    assert machine.check_packages(["rich<16,>=13.9"], version_of).state == OK
    assert machine.check_packages(None).state == SKIPPED


def test_java_is_not_needed_with_an_existing_cluster() -> None:
    """An unknown version of the embedded Elasticsearch fails before anything is looked for."""
    external = Settings(stack=replace(StackSettings(), provider="external"))
    unknown = Settings(stack=replace(StackSettings(), version="1.2.3"))

    assert machine.check_java(external, {}).state == SKIPPED
    assert machine.check_java(unknown, {}).state == FAILED


@pytest.mark.parametrize(
    ("listener", "state"),
    [
        (Listener(7, "nginx", "nginx -g daemon off"), FAILED),
        (Listener(7, "python", "python -m model_server serve"), OK),
        (None, WARNING),
    ],
)
def test_a_port_in_use(listener: Listener | None, state: str) -> None:
    """The product's own process may have it; what this user cannot see is a warning."""
    assert machine.port_in_use("port", "127.0.0.1:8500", "MODEL_SERVER_PORT", listener).state == state


def test_the_process_that_listens_is_this_one() -> None:
    """Its id and command line are read from the system."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        listener = listener_on(server.getsockname()[1])

    if not Path("/proc/net/tcp").exists():
        pytest.skip("only Linux says which process listens")
    assert listener is not None
    assert "pytest" in listener.arguments or "python" in listener.command


@pytest.mark.parametrize(("free", "state"), [(100, FAILED), (1000, WARNING), (50_000, OK)])
def test_the_space_on_a_disk(free: int, state: str) -> None:
    """The limit of a failure is that of `monitor-agent up`."""
    assert machine.disk_result("STACK_DATA_DIR", Path("/var"), free).state == state


def test_fonts_for_reports() -> None:
    """Without one, a report shows boxes."""
    assert machine.check_fonts(["Noto Sans CJK JP"]).state == OK
    assert machine.check_fonts([]).state == WARNING


def test_the_table_is_narrow_and_names_each_remedy() -> None:
    """A long finding goes on in the next line; the last line counts the states."""
    rows = [CheckResult("indices", FAILED, "word " * 60, "run `monitor-agent setup`"), CheckResult("clock", OK, "fine")]

    lines = [line.plain for line in table(rows)]

    assert max(len(line) for line in lines) <= WIDTH
    assert any(line.strip() == "-> run `monitor-agent setup`" for line in lines)
    assert lines[-1] == "2 checks: 1 ok, 1 failed"

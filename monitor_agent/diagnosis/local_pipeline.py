"""What the files of the pipeline on this machine say: its positions and lag, its dead letters (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.vocabulary.counted_nouns import counted

SLOW_SECONDS, LATE_SECONDS = 60.0, 300.0
"""A lag that is worth a look, and the one at which the alert `pipeline-lag` becomes active."""


def check_pipeline(statistics: Mapping[str, Any] | None, *, runs: bool, folder: str) -> CheckResult:
    """Return whether the pipeline runs and delivers in time.

    Parameters
    ----------
    statistics : the pipeline's statistics file; None = there is none.
    runs : whether a process uses the folder.
    folder : PIPELINE_DATA_DIR.
    """
    check = "pipeline"
    if statistics is None:
        return CheckResult(check, SKIPPED, f"no pipeline has run with {folder} (PIPELINE_DATA_DIR)")
    inputs = statistics.get("inputs", {}).values()
    behind = sum(int(backlog.get("bytes_behind", 0)) for backlog in inputs)
    seconds = max((float(backlog.get("seconds_behind", 0.0)) for backlog in inputs), default=0.0)
    unreadable = sum(int(backlog.get("files_unreadable", 0)) for backlog in inputs)
    parked = sum(int(count.get("documents", 0)) for count in statistics.get("parked", []))
    files = sum(int(backlog.get("files", 0)) for backlog in inputs)
    lag = f"{counted(files, 'file')}, {counted(behind, 'byte')} not delivered yet, {seconds:,.0f} s behind"
    if not runs:
        state = WARNING if behind or parked or statistics.get("state") != "stopped" else OK
        remedy = "start it with `monitor-agent pipeline run`" if state == WARNING else ""
        return CheckResult(check, state, f"it does not run; {lag}", remedy)
    if statistics.get("trouble"):
        return CheckResult(check, WARNING, f"{statistics['trouble']}; {lag}", "see `monitor-agent pipeline stats`")
    if seconds > LATE_SECONDS:
        return CheckResult(check, FAILED, lag, "see `monitor-agent pipeline stats` and the log of the pipeline")
    if parked:
        return CheckResult(
            check, WARNING, f"{parked:,} documents wait for their index; {lag}", "see `monitor-agent pipeline stats`"
        )
    if seconds > SLOW_SECONDS:
        return CheckResult(check, WARNING, lag, "see `monitor-agent pipeline stats`")
    if unreadable:
        return CheckResult(check, WARNING, f"{unreadable:,} files cannot be read; {lag}", "correct their permissions")
    return CheckResult(check, OK, lag)


def check_dead_letters(indexed: int | None, local: int) -> CheckResult:
    """Return whether lines could not be indexed.

    Parameters
    ----------
    indexed : number of dead letters in Elasticsearch; None = unknown.
    local : number of dead letters in the data folder of the pipeline.
    """
    if not indexed and not local:
        where = "none on this machine; Elasticsearch was not asked" if indexed is None else "none"
        return CheckResult("dead letters", OK, where)
    counts = [f"{indexed:,} in Elasticsearch"] if indexed else []
    counts += [f"{local:,} on this machine"] if local else []
    return CheckResult(
        "dead letters",
        WARNING,
        " and ".join(counts),
        "see their reasons with `monitor-agent deadletters list`; `replay` sends them again",
    )

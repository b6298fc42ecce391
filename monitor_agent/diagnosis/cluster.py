"""What the facts about a cluster mean: version, health, clock, disks, privileges (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from monitor_agent.contracts.command_users import SETUP, commands_of, with_setup_user
from monitor_agent.contracts.model_names import version_order
from monitor_agent.contracts.role_names import MONITOR_AGENT
from monitor_agent.contracts.roles import ROLES
from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.durations import format_duration
from monitor_agent.es.cluster_facts import ClusterFacts, NodeFacts, without_dates
from monitor_agent.es.obstacles import IndexState, Obstacle, is_current, obstacles_of
from monitor_agent.http_client.products import NEWEST_MAJOR, UPGRADE, is_too_old, version_numbers

CLOCK_WARNING_SECONDS = 5.0
CERTIFICATE_WARNING = timedelta(days=30)
NAMES_IN_FINDING = 3
STAGES = (("flood_stage", FAILED), ("high", WARNING), ("low", WARNING))
"""The disk watermarks, the worst first; at the first one Elasticsearch makes indices read-only."""
_SIZES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}


def why_no_answer(message: str) -> tuple[str, bool]:
    """Return in short why a request got no good answer, and whether the reason is that nothing runs there.

    >>> why_no_answer("read the health: no answer (Connection refused)")
    ('no answer (Connection refused)', True)
    >>> why_no_answer("read the health: security_exception: missing authentication (status 401)")
    ('security_exception: missing authentication (status 401)', False)
    """
    reason = message.partition(": ")[2] or message
    return reason, "Connection refused" in reason


def check_health(facts: ClusterFacts, addresses: str) -> CheckResult:
    """Return whether the cluster can work."""
    finding = f"{addresses}: cluster {facts.name}, {facts.status}, nodes: {len(facts.nodes)}"
    if facts.status == "red":
        return CheckResult("Elasticsearch", FAILED, finding, "see GET /_cluster/allocation/explain: shards are missing")
    return CheckResult("Elasticsearch", OK, finding)


def check_version(facts: ClusterFacts) -> CheckResult:
    """Return whether the product supports the version of the cluster."""
    versions = sorted({node.version for node in facts.nodes if node.version}, key=version_order)
    finding = " and ".join(versions) or "unknown"
    if any(is_too_old(version) for version in versions):
        return CheckResult("version of Elasticsearch", FAILED, f"{finding} is too old", UPGRADE)
    if any(version_numbers(version)[0] > NEWEST_MAJOR for version in versions):
        return CheckResult("version of Elasticsearch", WARNING, f"{finding} is newer than the tests", "use 8.19 or 9")
    if len(versions) > 1:
        return CheckResult(
            "version of Elasticsearch", WARNING, f"nodes have different versions: {finding}", "upgrade all nodes"
        )
    return CheckResult("version of Elasticsearch", OK, finding)


def check_clock(facts: ClusterFacts, allowed: timedelta) -> CheckResult:
    """Return whether this machine's clock agrees with the cluster's.

    Parameters
    ----------
    allowed : MONITOR_CLOCK_SKEW.
    """
    difference = max(0.0, abs(facts.clock_ahead) - facts.clock_error)
    direction = "ahead of" if facts.clock_ahead < 0 else "behind"
    if difference <= 1.0:
        return CheckResult("clock", OK, "agrees with Elasticsearch's within 1 s")
    finding = f"this machine's clock is {difference:,.0f} s {direction} Elasticsearch's"
    if difference > allowed.total_seconds():
        text = f"{finding}, more than MONITOR_CLOCK_SKEW ({format_duration(allowed)})"
        return CheckResult("clock", FAILED, text, "synchronise the clocks (NTP)")
    if difference > CLOCK_WARNING_SECONDS:
        return CheckResult("clock", WARNING, finding, "synchronise the clocks (NTP)")
    return CheckResult("clock", OK, finding)


def check_watermarks(facts: ClusterFacts) -> CheckResult:
    """Return whether the disks of the nodes are below Elasticsearch's watermarks."""
    check = "disks of Elasticsearch"
    if not facts.nodes:
        return CheckResult(check, SKIPPED, "the cluster names no node")
    fullest = min(facts.nodes, key=lambda node: node.available / max(1, node.total))
    used = f"{fullest.name} uses {1 - fullest.available / max(1, fullest.total):.0%} of {_gib(fullest.total)}"
    if facts.watermarks.get("threshold_enabled") == "false":
        return CheckResult(check, OK, f"{used}; watermarks are off")
    for stage, state in STAGES:
        over = [node.name for node in facts.nodes if node.available < _needed(facts, stage, node)]
        if over:
            effect = "indices become read-only" if state == FAILED else "new shards may not be placed there"
            finding = f"{_few(over)}: beyond the {stage.replace('_', ' ')} watermark ({used}): {effect}"
            return CheckResult(check, state, finding, "free disk space, or shorten MONITOR_RETENTION_EVENTS")
    return CheckResult(check, OK, f"{used}; below all watermarks")


def _needed(facts: ClusterFacts, stage: str, node: NodeFacts) -> float:
    """Return the bytes that must be available below a watermark."""
    share = facts.watermarks.get(f"watermark.{stage}", "")
    size = _bytes(share)
    if size is not None:
        return size
    try:
        number = float(share.rstrip("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        return 0.0
    headroom = _bytes(facts.watermarks.get(f"watermark.{stage}.max_headroom", ""))
    needed = node.total * (1 - number)
    return needed if headroom is None else min(needed, headroom)


def _bytes(text: str) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgtp]?b)", text.strip().lower())
    return float(match[1]) * _SIZES[match[2]] if match else None


def _gib(size: float) -> str:
    return f"{size / 1024**3:,.0f} GiB"


def check_certificate(not_after: datetime, now: datetime) -> CheckResult:
    """Return whether a certificate that was verified stays valid for a while."""
    finding = f"the certificate is verified, and valid until {not_after:%Y-%m-%d}"
    if not_after - now < CERTIFICATE_WARNING:
        return CheckResult("TLS", WARNING, finding, "renew the certificate of Elasticsearch")
    return CheckResult("TLS", OK, finding)


def check_privileges(check: str, role: str, answer: tuple[str, list[str]] | None) -> CheckResult:
    """Return whether a user has the privileges of a role.

    Parameters
    ----------
    answer : the user, and what it lacks; None = the cluster has no security.
    """
    if answer is None:
        return CheckResult(check, SKIPPED, "security is off in this Elasticsearch")
    user, lacking = answer
    if lacking:
        return CheckResult(
            check,
            FAILED,
            f"{user} lacks {_few(without_dates(lacking), '; ')}",
            f"give the user the role {role}; `monitor-agent stack users` creates and updates it",
        )
    return CheckResult(check, OK, f"{user} has the privileges of the role {role}")


def check_agent_user(answer: tuple[str, list[str]] | None, roles: Sequence[str]) -> CheckResult:
    """Return whether the user of the settings can run the agent, and which commands it can run.

    Parameters
    ----------
    answer : the user, and what it lacks for the role of the agent; None = the cluster has no security.
    roles : the product's roles whose privileges it has.
    """
    check = "user of the agent"
    if answer is None or not roles:
        return check_privileges(check, MONITOR_AGENT, answer)
    commands = ", ".join(commands_of(roles)) if len(roles) < len(ROLES) else "all commands"
    plural = "s" if len(roles) > 1 else ""
    finding = f"{answer[0]} has the privileges of the role{plural} {', '.join(roles)}, and runs: {commands}"
    if MONITOR_AGENT in roles:
        return CheckResult(check, OK, finding)
    remedy = f"to run the agent, let ELASTICSEARCH_USERNAME be a user with the role {MONITOR_AGENT} (docs/users.md)"
    return CheckResult(check, WARNING, finding, remedy)


def with_setup_users(results: Iterable[CheckResult]) -> list[CheckResult]:
    """Return results whose remedies name the user of `monitor-agent setup`."""
    return [replace(result, remedy=with_setup_user(result.remedy)) for result in results]


def check_templates(missing: Sequence[str], outdated: Sequence[str], stronger: Sequence[Obstacle]) -> list[CheckResult]:
    """Return whether the index templates are those of this version.

    Parameters
    ----------
    missing, outdated : names of templates.
    stronger : templates of others that would be used instead.
    """
    results = []
    if missing:
        results.append(CheckResult("index templates", FAILED, f"missing: {_few(missing)}", SETUP))
    if outdated:
        results.append(CheckResult("index templates", WARNING, f"from another version: {_few(outdated)}", SETUP))
    results += [
        CheckResult("index templates", FAILED, f"{obstacle.name}: {obstacle.problem}", obstacle.advice)
        for obstacle in stronger
    ]
    return results or [CheckResult("index templates", OK, "all are there, as this version installs them")]


def check_indices(states: Sequence[IndexState]) -> list[CheckResult]:
    """Return whether the indices can be used."""
    obstacles = obstacles_of(states)
    results = [
        CheckResult("indices", FAILED, f"{obstacle.name}: {obstacle.problem}", obstacle.advice)
        for obstacle in obstacles
    ]
    names = {obstacle.name for obstacle in obstacles}
    usable = [state for state in states if state.name not in names and not state.is_copy]
    hidden = [state.name for state in usable if state.lacks_alias]
    if hidden:
        results.append(
            CheckResult(
                "indices", FAILED, f"without the alias, so that the agent does not see them: {_few(hidden)}", SETUP
            )
        )
    undated = [state.name for state in usable if not state.has_date]
    if undated:
        results.append(
            CheckResult(
                "indices",
                WARNING,
                f"without a date in their names, so that their documents are not counted: {_few(undated)}",
                "delete them, or copy them to other names: these names are the product's",
            )
        )
    outdated = [state.name for state in usable if not is_current(state.mapping, state.contract)]
    if outdated:
        results.append(CheckResult("indices", WARNING, f"without fields of this version: {_few(outdated)}", SETUP))
    blocked = [state for state in usable if state.read_only]
    if blocked:
        results.append(
            CheckResult(
                "indices",
                WARNING,
                f"read-only: {_few([state.name for state in blocked])}",
                f'free disk space if it is low, then PUT /INDEX/_settings {{"{blocked[0].read_only}": null}}',
            )
        )
    count = len(states)
    return results or [CheckResult("indices", OK, f"{count:,} indices, none is in the way" if count else "none yet")]


def _few(names: Sequence[str], separator: str = ", ") -> str:
    rest = len(names) - NAMES_IN_FINDING
    return separator.join(names[:NAMES_IN_FINDING]) + (f" and {rest:,} more" if rest > 0 else "")

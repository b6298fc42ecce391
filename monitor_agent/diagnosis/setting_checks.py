"""Whether the settings agree: with each other, with the pipeline's configuration, and with the names of settings.

The pipeline's configuration names the folder of the event files and the address of Elasticsearch again. Both must be
those of the model server and of the agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult
from monitor_agent.durations import in_days
from monitor_agent.errors import ConfigurationError, SettingsError
from monitor_agent.http_client.address import parse_address
from monitor_agent.logstash.language.variables import names_in, pipeline_variables, substitute
from monitor_agent.settings import AgentSettings, Settings, as_text, contradictions_of, name_warnings

SETTINGS, NAMES, FOLDER, ADDRESS = "settings", "names of settings", "folder of event files", "address of the pipeline"
CONFIGURATION = "pipeline configuration"
INDICES, EVENT_INDICES = "indices of the pipeline", (PREDICTIONS.name, FEEDBACK.name)
LABELS, PORTS, PSEUDONYMS = "labels and segments", "ports of settings", "pseudonyms"
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class PipelineTargets:
    """What a configuration of the pipeline reads and writes.

    Attributes
    ----------
    names : the environment variables that it reads.
    paths : the patterns of the files that it reads, absolute.
    hosts : the addresses of Elasticsearch that it writes to.
    indices : those indices of events, by their first part, whose names are in it.
    """

    names: frozenset[str]
    paths: tuple[str, ...]
    hosts: tuple[str, ...]
    indices: tuple[str, ...]


def unreadable(error: SettingsError) -> CheckResult:
    """Return the result if the settings cannot be read: nothing else can be checked then."""
    return CheckResult(SETTINGS, FAILED, error.message, error.hint)


def check_settings(settings: Settings, environ: Mapping[str, str]) -> list[CheckResult]:
    """Return whether the settings agree with each other, with the pipeline's configuration, and with known names."""
    try:
        targets: PipelineTargets | None = read_targets(settings, environ)
        problem, wrong = "", []
    except ConfigurationError as error:
        targets, problem = None, error.message
        wrong = [CheckResult(CONFIGURATION, FAILED, error.message, error.hint)] if _is_wrong(error, settings) else []
    except ModuleNotFoundError as error:
        targets, problem, wrong = None, f"it needs {error.name}", []
    return [
        *check_contradictions(settings),
        *check_names(environ, targets.names if targets else ()),
        *wrong,
        *check_targets(settings, targets, problem),
        check_labels(settings),
        check_ports_differ(settings),
        check_pseudonyms(settings),
    ]


def _is_wrong(error: ConfigurationError, settings: Settings) -> bool:
    """Return whether a configuration is refused, or is missing where the settings name it."""
    return bool(error.line) or settings.pipeline.config != Settings().pipeline.config


def check_contradictions(settings: Settings) -> list[CheckResult]:
    """Return the settings that contradict each other, and those that make something less useful."""
    results = [CheckResult(SETTINGS, FAILED, row.finding, row.remedy) for row in contradictions_of(settings)]
    results += [CheckResult(SETTINGS, WARNING, *texts) for texts in _doubts(settings.agent)]
    return results or [CheckResult(SETTINGS, OK, "no setting contradicts another one")]


def _doubts(agent: AgentSettings) -> Iterator[tuple[str, str]]:
    """Yield findings and remedies of settings that agree, but give less than they promise."""
    last = agent.attribution_window + agent.ingest_grace + agent.restatement_limit
    if agent.attribution_window + agent.ingest_grace <= agent.retention_events < last:
        yield (
            f"MONITOR_RESTATEMENT_LIMIT={as_text(agent.restatement_limit)}: a window could be restated for "
            f"{in_days(last)} after its predictions, but these are deleted after "
            f"MONITOR_RETENTION_EVENTS={as_text(agent.retention_events)}",
            f"set MONITOR_RETENTION_EVENTS to {in_days(last)} or more, or shorten MONITOR_RESTATEMENT_LIMIT",
        )
    longest = max(agent.base_window, *agent.larger_windows) if agent.larger_windows else agent.base_window
    if agent.retention_metrics < WEEK + longest:
        yield (
            f"MONITOR_RETENTION_METRICS={as_text(agent.retention_metrics)}: the metrics of last week may be deleted "
            "before they are compared with this week's",
            f"set MONITOR_RETENTION_METRICS to {in_days(WEEK + longest)} or more",
        )


def check_names(environ: Mapping[str, str], read: Iterable[str]) -> list[CheckResult]:
    """Return whether the environment has names that are probably misspelt, or values from Kubernetes.

    Parameters
    ----------
    read : names that the pipeline's configuration reads.
    """
    warnings = name_warnings(environ, read)
    return [CheckResult(NAMES, WARNING, warning.finding, warning.remedy) for warning in warnings] or [
        CheckResult(NAMES, OK, "the environment has no name that is probably misspelt")
    ]


def check_targets(settings: Settings, targets: PipelineTargets | None, problem: str) -> list[CheckResult]:
    """Return whether the pipeline reads where the model server writes, and writes where the agent reads.

    Parameters
    ----------
    targets : what the pipeline's configuration names; None = it cannot be read.
    problem : why it cannot be read.
    """
    if targets is None:
        text = f"PIPELINE_CONFIG={settings.pipeline.config} cannot be read: {problem}"
        return [CheckResult(name, SKIPPED, text) for name in (FOLDER, ADDRESS, INDICES)]
    folder = Path(settings.server.log_dir).absolute()
    results = [CheckResult(FOLDER, OK, f"the model server writes to {folder}, and the pipeline reads there")]
    if not targets.paths:
        results = [CheckResult(FOLDER, SKIPPED, "the pipeline reads no files")]
    elif str(folder) not in {str(Path(path).parent) for path in targets.paths}:
        results = [
            CheckResult(
                FOLDER,
                FAILED,
                f"the model server writes to {folder} (MODEL_LOG_DIR), and the pipeline reads "
                f"{', '.join(targets.paths)}",
                f"let the file input in {settings.pipeline.config} read ${{MODEL_LOG_DIR}}/*.ndjson",
            )
        ]
    results.append(check_address(settings, targets.hosts))
    return [*results, check_indices(settings.pipeline.config, targets)]


def check_address(settings: Settings, written: Sequence[str]) -> CheckResult:
    """Return whether the pipeline writes to an address that the agent reads.

    Parameters
    ----------
    written : the addresses that the pipeline's configuration names.
    """
    if not written:
        return CheckResult(ADDRESS, SKIPPED, "the pipeline does not write to Elasticsearch")
    read = settings.elasticsearch.url
    try:
        urls = [parse_address(host, f"hosts in {settings.pipeline.config}").url for host in written]
    except SettingsError as error:
        return CheckResult(ADDRESS, FAILED, error.message, error.hint)
    if set(read) & set(urls):
        return CheckResult(ADDRESS, OK, f"the pipeline writes to {', '.join(urls)}, as the agent does")
    return CheckResult(
        ADDRESS,
        FAILED,
        f"the pipeline writes to {', '.join(urls)}, and the agent reads {', '.join(read)}",
        f"let the output in {settings.pipeline.config} use ${{ELASTICSEARCH_URL}}",
    )


def check_indices(config: str, targets: PipelineTargets) -> CheckResult:
    """Return whether the pipeline's configuration names the indices that the agent reads."""
    missing = [name for name in EVENT_INDICES if name not in targets.indices]
    if not targets.hosts:
        return CheckResult(INDICES, SKIPPED, "the pipeline does not write to Elasticsearch")
    if not missing:
        return CheckResult(INDICES, OK, f"the pipeline writes to {', '.join(targets.indices)}, as the agent reads them")
    return CheckResult(
        INDICES,
        FAILED,
        f"the configuration of the pipeline does not name {', '.join(missing)}, the only indices that the agent reads",
        f"let the pipeline in {config} write to {missing[0]}-YYYY.MM.DD",
    )


def check_labels(settings: Settings) -> CheckResult:
    """Return whether the model server accepts the labels that the agent splits metrics by."""
    missing = [name for name in settings.agent.segments if name not in settings.server.labels]
    segments, labels = as_text(settings.agent.segments), as_text(settings.server.labels)
    stated = f"MONITOR_SEGMENTS={segments}, MODEL_SERVER_LABELS={labels}"
    if not missing:
        return CheckResult(LABELS, OK, stated)
    return CheckResult(
        LABELS,
        WARNING,
        f"{stated}: the agent splits metrics by {', '.join(missing)}, which the model server refuses",
        f"add {', '.join(missing)} to MODEL_SERVER_LABELS, or ignore this if another server writes the lines",
    )


def check_ports_differ(settings: Settings) -> CheckResult:
    """Return whether each component has a port of its own on this machine."""
    server, agent, pipeline, stack = settings.server, settings.agent, settings.pipeline, settings.stack
    ports: dict[str, int | None] = {
        "MODEL_SERVER_PORT": server.port,
        "MONITOR_HEALTH_PORT": agent.health_port,
        "DASHBOARDS_PORT": settings.dashboards.port,
        "PIPELINE_RECEIVE_PORT": settings.receive.port,
        **({"PIPELINE_HTTP_PORT": pipeline.http_port} if pipeline.http == "on" else {}),
        **({"STACK_HTTP_PORT": stack.http_port} if stack.provider == "embedded" else {}),
    }
    pairs = [(left, right) for left, right in combinations(ports, 2) if ports[left] and ports[left] == ports[right]]
    clashes = [f"{left} and {right} are both {ports[left]}" for left, right in pairs]
    if clashes:
        return CheckResult(PORTS, WARNING, "; ".join(clashes), "give each component a port of its own on one machine")
    return CheckResult(PORTS, OK, "each component has a port of its own")


def check_pseudonyms(settings: Settings) -> CheckResult:
    """Return whether several model servers would give a user the same pseudonym."""
    if settings.server.hmac_key:
        return CheckResult(PSEUDONYMS, OK, "MODEL_SERVER_HMAC_KEY is set: give all model servers the same key")
    return CheckResult(
        PSEUDONYMS,
        OK,
        f"the key is in {Path(settings.server.log_dir).absolute()}; servers that log to other folders need "
        "MODEL_SERVER_HMAC_KEY",
    )


def read_targets(settings: Settings, environ: Mapping[str, str]) -> PipelineTargets:
    """Return what the configuration of the pipeline reads and writes.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    ModuleNotFoundError
        If a package of the embedded pipeline is missing.
    """
    from monitor_agent.logstash import compiler
    from monitor_agent.logstash.language import syntax

    sources = compiler.read_sources(settings.pipeline.config)
    variables = {"PIPELINE_PASSWORD": "", **pipeline_variables(settings, environ)}
    paths: list[str] = []
    hosts: list[str] = []

    def visit(nodes: Iterable[Any], kind: str) -> None:
        for node in nodes:
            if isinstance(node, syntax.Branch):
                for arm in node.arms:
                    visit(arm.body, kind)
                continue
            for attribute in node.attributes:
                targets = {("input", "file", "path"): paths, ("output", "elasticsearch", "hosts"): hosts}
                values = targets.get((kind, node.name, attribute.name))
                if values is not None:
                    value = substitute(attribute.value, variables, attribute.at)
                    values += value if isinstance(value, list) else [value]

    for section in compiler.parse_sources(sources):
        visit(section.body, section.kind)
    return PipelineTargets(
        frozenset(names_in(text for _, text in sources)),
        tuple(str(Path(path).absolute()) for path in paths),
        tuple(host for item in hosts for host in str(item).split(",")),
        tuple(name for name in EVENT_INDICES if any(f"{name}-" in text for _, text in sources)),
    )

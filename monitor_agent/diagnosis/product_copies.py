"""Which files the product uses: its own, or copies; and whether the copies are those of this release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitor_agent.diagnosis.check_result import OK, WARNING, CheckResult
from monitor_agent.product_files import ALERTS, KIBANA, PIPELINE
from monitor_agent.product_files.copies import compare, listed
from monitor_agent.settings import Settings

CHECK = "files of the product"


@dataclass(frozen=True)
class NamedFolder:
    """A folder of the product that a setting may replace.

    Attributes
    ----------
    variable : the setting.
    path : the folder that is used.
    original : the folder that comes with the product.
    former : where release 0.1 looked, below the working folder.
    """

    variable: str
    path: Path
    original: Path
    former: str


def check_copies(settings: Settings, here: Path) -> list[CheckResult]:
    """Return which files are used, whether copies differ from this release's, and what is in the working folder unused.

    Parameters
    ----------
    here : the working folder.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    folders = (
        NamedFolder("PIPELINE_CONFIG", Path(settings.pipeline.config), PIPELINE, "logstash/pipeline"),
        NamedFolder("KIBANA_FOLDER", Path(settings.kibana.folder), KIBANA, "kibana"),
    )
    results = [result for folder in folders for result in _of_folder(folder, here)]
    return [*results, *_alerts(Path(settings.agent.alerts or ALERTS), Path(settings.kibana.folder) / ALERTS.name)]


def _of_folder(folder: NamedFolder, here: Path) -> Iterator[CheckResult]:
    if folder.path.resolve() == folder.original:
        unused = here / folder.former
        if unused.is_dir() and unused.resolve() != folder.original:
            yield CheckResult(
                CHECK,
                WARNING,
                f"{folder.former} in this folder is not used: {folder.variable} is not set",
                f"set {folder.variable}={folder.former} to use it, or ignore this",
            )
        else:
            yield CheckResult(CHECK, OK, f"{folder.variable} is not set: the files that come with the product are used")
    elif folder.path.is_dir():
        difference = compare(folder.original, folder.path)
        states = {
            "changed": difference.changed,
            "missing": difference.missing,
            "not from this release": difference.more,
        }
        texts = [f"{state}: {listed(names)}" for state, names in states.items() if names]
        text = "; ".join(texts) or "the same files as those that come with the product"
        yield CheckResult(CHECK, OK, f"{folder.variable}={folder.path}: {text}")


def _alerts(agent: Path, kibana: Path) -> Iterator[CheckResult]:
    """Yield a warning if watches and rules are made from another list of alerts than the agent's."""
    if agent.is_file() and kibana.is_file() and agent.read_bytes() != kibana.read_bytes():
        yield CheckResult(
            CHECK,
            WARNING,
            f"the agent evaluates {agent}, and watches and rules come from {kibana}, which differs",
            f"set MONITOR_ALERTS={kibana}, or use one KIBANA_FOLDER with one list",
        )

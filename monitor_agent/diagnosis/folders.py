"""Whether this account can write to the folders of the settings; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from monitor_agent.diagnosis.check_result import FAILED, OK, WARNING, CheckResult
from monitor_agent.settings import Settings

CHECK = "folders"


def check_folders(settings: Settings) -> Iterator[CheckResult]:
    """Yield a result for each folder that cannot be used, or one that says that all can be."""
    defaults = Settings()
    folders = {
        "MODEL_LOG_DIR": (settings.server.log_dir, defaults.server.log_dir),
        "PIPELINE_DATA_DIR": (settings.pipeline.data_dir, defaults.pipeline.data_dir),
        **(
            {"STACK_DATA_DIR": (settings.stack.data_dir, defaults.stack.data_dir)}
            if settings.stack.provider == "embedded"
            else {}
        ),
    }
    problems = {variable: problem_of(Path(name)) for variable, (name, _) in folders.items()}
    for variable, (name, default) in folders.items():
        if problems[variable]:
            # A machine that runs only some of the components does not need the default folders of the others.
            state = WARNING if name == default and not os.path.lexists(name) else FAILED
            finding = f"{variable}={name} cannot be used: {problems[variable]}"
            yield CheckResult(CHECK, state, finding, f"correct its permissions, or set {variable}")
    if not any(problems.values()):
        yield CheckResult(CHECK, OK, f"this account can write to {', '.join(folders)}")


def problem_of(folder: Path) -> str:
    """Return why this account cannot write to a folder, or cannot make it; empty if it can."""
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
        if not existing.is_dir():
            return f"{existing} is no folder"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"this account cannot write to {existing}"

"""The table of extras agrees with setup.cfg, and a missing or broken package is one line with the right command."""

from __future__ import annotations

import configparser
import re
import sys
from pathlib import Path

import pytest

from model_server.engines.tensorflow_loading import runs_avx
from monitor_agent import extras
from monitor_agent.errors import MissingPackageError
from monitor_agent.extras import (
    COMPONENTS,
    MODEL_SERVER,
    PIPELINE,
    OptionalComponent,
    install_command,
    package_of,
)

CONFIGURATION = Path(__file__).parents[3] / "setup.cfg"


def packages_of(extra: str) -> set[str]:
    """Return the packages that setup.cfg lists for an extra."""
    parser = configparser.ConfigParser()
    parser.read(CONFIGURATION, encoding="utf-8")
    lines = parser["options.extras_require"][extra].split()
    return {re.split(r"[<>=,;]", line)[0].lower().replace("_", "-") for line in lines}


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_the_extra_of_a_component_installs_its_packages(component: OptionalComponent) -> None:
    """No message names an extra that would not help."""
    assert {package_of(module).lower() for module in component.modules} <= packages_of(component.extra)


@pytest.mark.parametrize("extra", ["server", "train", "embedded"])
def test_each_package_of_an_extra_is_looked_for(extra: str) -> None:
    """Nothing that an extra lists can be missing without a word."""
    modules = {module for component in COMPONENTS if component.extra == extra for module in component.modules}

    assert {package_of(module).lower() for module in modules} == packages_of(extra)


def test_all_missing_packages_are_in_one_line_with_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command names both extras, and the interpreter that runs now."""
    for module in ("lark", "tensorflow", "tensorflow_text"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingPackageError) as refused:
        extras.require("up", PIPELINE, MODEL_SERVER)

    assert str(refused.value) == (
        "up needs lark, tensorflow and tensorflow-text, which are not installed: run "
        + install_command(["embedded", "server"])
    )
    assert install_command(["embedded"]).startswith(f"{sys.executable} -m pip install ")


def test_a_broken_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its import raises: the error of the library is named, and how to install it again."""
    monkeypatch.setattr(extras, "_installation", lambda: ("pip", {}))

    with pytest.raises(MissingPackageError) as refused, extras.loading(MODEL_SERVER):
        raise TypeError("Descriptors cannot be created directly.\nDowngrade the protobuf package")

    assert str(refused.value) == (
        "the model server needs flask, tensorflow and tensorflow-text; installed, but cannot be loaded: TypeError: "
        "Descriptors cannot be created directly. Downgrade the protobuf package: install the packages again: "
        f"{sys.executable} -m pip install --force-reinstall 'model-monitor[server]'"
    )


def test_uv_installs_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of uv has no pip."""
    monkeypatch.setattr(extras, "_installation", lambda: ("uv", {}))
    monkeypatch.setitem(sys.modules, "pip", None)

    assert install_command(["server"]) == f"uv pip install --python {sys.executable} 'model-monitor[server]'"


@pytest.mark.parametrize(("flags", "runs"), [("fpu avx avx2", True), ("fpu sse4_2", False)])
def test_a_processor_without_avx_cannot_run_tensorflow(tmp_path: Path, flags: str, runs: bool) -> None:
    """TensorFlow would end the process without a word."""
    facts = tmp_path / "cpuinfo"
    facts.write_text(f"processor\t: 0\nflags\t\t: {flags}\n", encoding="ascii")

    assert runs_avx(facts) == runs
    assert runs_avx(tmp_path / "nothing")

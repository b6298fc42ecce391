"""The units of `packaging/systemd`, judged by systemd's own programs."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitor_agent import settings
from monitor_agent.http_serving.server import DRAIN_SECONDS
from monitor_agent.settings.names import known_variables

FOLDER = Path(__file__).parents[2] / "packaging/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
EXAMPLES = sorted((FOLDER / "etc").glob("*.toml"))
PROGRAMS = {"monitor-agent": "monitor_agent", "model-server": "model_server"}
MOST_EXPOSURE = 20
"""`systemd-analyze security --threshold`: ten times the exposure, of which 0 is the best and 10 the worst."""
MAKE_MACHINE_CODE = {"model-monitor-server", "model-monitor-dashboards"}
"""Units whose libraries make machine code while they run."""
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"), reason="systemd-analyze is not installed"
)


def directives(unit: Path) -> dict[str, list[str]]:
    """Return the values of each key of a unit, in their order."""
    values: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
        values.setdefault(key, []).append(value)
    return values


def variables_of(text: str) -> dict[str, str]:
    """Return the variables of an environment file, also those that a `#` turns off."""
    return dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Return the result of a program."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` knows each key and value, and says nothing. The programs are stand-ins."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    units = []
    for unit in UNITS:
        units.append(tmp_path / unit.name)
        text = unit.read_text(encoding="utf-8").replace("/opt/model-monitor/bin", str(programs))
        units[-1].write_text(text, encoding="utf-8")

    done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units))

    assert len(units) == 6
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_hardened(unit: Path) -> None:
    """`systemd-analyze security` finds little that the service could do to this machine."""
    threshold = f"--threshold={MOST_EXPOSURE}"

    done = run("systemd-analyze", "security", "--offline=true", threshold, "--no-pager", str(unit))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


@needs_systemd
def test_the_accounts_of_the_units_are_made(tmp_path: Path) -> None:
    """`systemd-sysusers` makes each account and group that a unit names; the pipeline may read event files."""
    (tmp_path / "etc").mkdir()

    done = run("systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "sysusers.d/model-monitor.conf"))

    assert done.returncode == 0, done.stderr
    assert "not a valid" not in done.stderr
    accounts = {line.split(":")[0]: line for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line for line in (tmp_path / "etc/group").read_text().splitlines()}
    for unit in UNITS:
        keys = directives(unit)
        assert accounts[keys["User"][0]].endswith("nologin")
        assert {*keys.get("Group", []), *keys.get("SupplementaryGroups", [])} <= set(groups)
    assert groups["model-monitor-events"].endswith(":model-monitor-pipeline")
    users = [directives(unit)["User"][0] for unit in UNITS if unit.stem != "model-monitor-receiver"]
    assert len(set(users)) == len(users)


@needs_systemd
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make folders of other accounts")
def test_the_folders_are_made_and_old_event_files_are_deleted(tmp_path: Path) -> None:
    """The event files can be read by their group only, and the key of the pseudonyms outlives them."""
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "sysusers.d/model-monitor.conf"))
    text = (FOLDER / "tmpfiles.d/model-monitor.conf").read_text(encoding="utf-8")
    config = tmp_path / "model-monitor.conf"
    config.write_text(text.replace(" 30d", " 1us"), encoding="utf-8")

    creation = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", str(config))
    log = tmp_path / "var/log/model-monitor"
    for name in ("events-host-1-1.ndjson", "hmac.key", "requests-0.journal"):
        (log / name).write_text("x", encoding="utf-8")
    cleaning = run("systemd-tmpfiles", "--clean", f"--root={tmp_path}", str(config))

    assert (creation.returncode, creation.stderr, cleaning.returncode) == (0, "", 0)
    assert log.stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "var/lib/model-monitor/keys").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in log.iterdir()) == ["hmac.key", "requests-0.journal"]
    assert " 30d" in text
    assert settings.Settings().agent.retention_events.days == 30


def test_all_units_have_the_same_restrictions() -> None:
    """What a service may do differs only where its libraries need it, or where its network is known."""
    blocks = {}
    for unit in UNITS:
        _, _, block = unit.read_text(encoding="utf-8").partition("# What the process may do on this machine.\n")
        lines = [line for line in block.partition("\n\n")[0].splitlines() if not line.startswith("#")]
        execute = "MemoryDenyWriteExecute=" + ("no" if unit.stem in MAKE_MACHINE_CODE else "yes")
        assert execute in lines
        blocks[unit.stem] = [line for line in lines if line != execute]

    assert all(block == blocks["model-monitor-agent"] for block in blocks.values())
    assert len(blocks["model-monitor-agent"]) > 25


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_names_settings_files_and_commands_that_exist(unit: Path, tmp_path: Path) -> None:
    """Its variables are settings, its file has an example, and its program takes the arguments."""
    keys = directives(unit)
    (credential,) = keys["LoadCredential"]
    name, _, source = credential.partition(":")
    program, *arguments = keys["ExecStart"][0].replace("${CREDENTIALS_DIRECTORY}", str(tmp_path)).split()

    done = run(sys.executable, "-m", PROGRAMS[Path(program).name], *arguments)

    assert {entry.partition("=")[0] for entry in keys.get("Environment", ())} <= known_variables()
    assert FOLDER / "etc" / Path(source).name in EXAMPLES
    assert keys["EnvironmentFile"] == ["-/etc/model-monitor/settings.env"]
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / name} cannot be read"), done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_has_settings_and_no_secret(example: Path) -> None:
    """Each key is a setting, each value is accepted, and passwords and keys are empty."""
    shared = variables_of((FOLDER / "etc/settings.env").read_text(encoding="utf-8"))
    environ = {name: value for name, value in shared.items() if name != "ELASTICSEARCH_CA_CERTS"}

    loaded = settings.load(environ, example)

    assert settings.secret_values(loaded) == frozenset()
    assert set(shared) <= known_variables()
    assert any(directives(unit)["LoadCredential"][0].endswith(f"/{example.name}") for unit in UNITS)


def test_a_service_has_the_time_to_finish() -> None:
    """systemd waits for longer than the model server finishes its open requests."""
    (seconds,) = directives(FOLDER / "model-monitor-server.service")["TimeoutStopSec"]

    assert int(seconds) >= DRAIN_SECONDS + 10


@pytest.mark.parametrize("writer", ["model-monitor-server", "model-monitor-receiver"])
def test_a_writer_and_the_pipeline_share_the_event_files(writer: str) -> None:
    """Both name the same folder, and the pipeline is in the group that may read it; both writers have one account."""
    server = directives(FOLDER / f"{writer}.service")
    pipeline = directives(FOLDER / "model-monitor-pipeline.service")

    assert server["User"] == ["model-monitor-server"]
    assert "MODEL_LOG_DIR=%L/model-monitor" in server["Environment"]
    assert "MODEL_LOG_GROUP_READ=true" in server["Environment"]
    assert "MODEL_LOG_DIR=%L/model-monitor" in pipeline["Environment"]
    assert server["Group"] == pipeline["SupplementaryGroups"]
    assert (server["LogsDirectory"], server["LogsDirectoryMode"]) == (["model-monitor"], ["0750"])


def test_the_other_services_need_no_machine_code() -> None:
    """Their modules can be loaded, and numbers be multiplied, in a process that cannot make memory executable."""
    code = (
        "import monitor_agent.cli.run, monitor_agent.cli.setup\n"
        "from monitor_agent.logstash import compiler, runner, registry\n"
        "import numpy; assert (numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum() == 300 ** 3\n"
    )

    def deny() -> None:
        if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
            os._exit(77)

    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=deny, capture_output=True, text=True, timeout=60, check=False
    )

    if done.returncode == 77:
        pytest.skip("this kernel cannot deny executable memory (Linux 6.3 is needed)")
    assert done.returncode == 0, done.stderr


def test_the_page_names_every_unit_and_example() -> None:
    """Whoever reads the page knows all files."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert [path.name for path in (*UNITS, *EXAMPLES) if path.name not in page] == []

"""What both programs say about arguments that they do not know."""

from __future__ import annotations

import pytest

import model_server.cli
import monitor_agent.cli

AGENT, SERVER = "monitor-agent", "model-server"
UNKNOWN = [
    (AGENT, "kibana import --overwrit", "monitor-agent kibana import", "--overwrit: did you mean --overwrite?"),
    (AGENT, "kibana import --over", "monitor-agent kibana import", "--over: did you mean --overwrite?"),
    (AGENT, "kibana import --dryrun", "monitor-agent kibana import", "--dryrun: did you mean --dry-run?"),
    (AGENT, "once --noww=2026-01-01", "monitor-agent once", "--noww: did you mean --now?"),
    (AGENT, "once --verbose", "monitor-agent once", "there is no option --verbose"),
    (AGENT, "run -x", "monitor-agent run", "there is no option -x"),
    (AGENT, "stack up --background-job", "monitor-agent stack up", "there is no option --background-job"),
    (AGENT, "run now", "monitor-agent run", "unexpected argument 'now'"),
    (AGENT, "run --config a.toml", "monitor-agent run", "write it before the command, monitor-agent --config ..."),
    (AGENT, "--confg a.toml run", "monitor-agent", "--confg: did you mean --config?"),
    (AGENT, "dmo", "monitor-agent", "there is no 'dmo': did you mean demo?"),
    (AGENT, "dmo check", "monitor-agent", "there is no 'dmo': did you mean demo?"),
    (AGENT, "stack usrs", "monitor-agent stack", "there is no 'usrs': did you mean users?"),
    (AGENT, "stack up --provider docker", "monitor-agent stack up", "choose from embedded, compose, external"),
    (SERVER, "serve --adress-file a", "model-server serve", "--adress-file: did you mean --address-file?"),
    (SERVER, "trian", "model-server", "there is no 'trian': did you mean train?"),
    (SERVER, "--port 80", "model-server", "there is no option --port"),
]


@pytest.mark.parametrize(("program", "arguments", "command", "message"), UNKNOWN)
def test_an_unknown_argument_is_refused_with_the_usage_of_its_command(
    program: str, arguments: str, command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line says what is unknown; a guess is there only if one name is near. The exit status is 2."""
    main = monitor_agent.cli.main if program == AGENT else model_server.cli.main

    with pytest.raises(SystemExit) as ended:
        main(arguments.split())

    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert lines[0].startswith(f"usage: {command} ")
    assert lines[-1].startswith(f"{command}: error: ")
    assert lines[-1].endswith(message)

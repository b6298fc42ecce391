"""The reason of an end is read from a log; tests/integration/test_stack_process.py runs real processes."""

from __future__ import annotations

from pathlib import Path

from monitor_agent.stack.process_end import reason_line


def test_the_reason_in_a_log_is_the_error_in_it(tmp_path: Path) -> None:
    """A log that ends in farewells and stack traces gives its line with the error."""
    log = tmp_path / "log"
    log.write_text(
        "[INFO ] starting\njava.lang.IllegalStateException: failed to obtain node locks\n\tat org.a.B(C.java:1)\n"
        "\t... 3 more\n[INFO ] error handler closed\nbye\n\n"
    )

    assert reason_line(log) == "java.lang.IllegalStateException: failed to obtain node locks"
    assert reason_line(tmp_path / "missing") == "it wrote nothing"

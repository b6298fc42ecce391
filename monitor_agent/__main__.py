"""The entry point of `monitor-agent` and of `python -m monitor_agent`.

It imports nothing before it handles Ctrl-C and a broken installation, so that neither shows a traceback.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Return the exit status of `monitor_agent.cli.main`; Ctrl-C while it is imported ends the process at once."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from monitor_agent.cli import main as run
    except ImportError as error:
        from monitor_agent.extras import install_command

        sys.exit(f"error: the installation cannot be loaded ({error}): run {install_command((), again=True)}")
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


if __name__ == "__main__":
    sys.exit(main())

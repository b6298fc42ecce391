"""`python -m monitor_agent`: the same as the console script."""

import sys

from monitor_agent.cli import main

sys.exit(main())

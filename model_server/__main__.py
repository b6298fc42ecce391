"""`python -m model_server`: the same as the console script."""

import sys

from model_server.cli import main

sys.exit(main())

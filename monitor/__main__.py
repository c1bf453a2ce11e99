"""`python -m monitor` is `trace-monitor`."""

import sys

from monitor.cli import main

sys.exit(main())

"""`python -m aegan_monitor` is `aegan-monitor`."""

import sys

from aegan_monitor.cli import main

sys.exit(main())

"""``python -m jianheng``: the command line."""

import sys

from jianheng.cli import main

sys.exit(main())

"""``python -m lsmx``."""

import sys

from lsmx._cli import main

sys.exit(main())

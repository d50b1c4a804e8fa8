"""`python -m hopyard.server [SCRIPT]`."""

import sys

from hopyard.server import main

if __name__ == "__main__":
    sys.exit(main())

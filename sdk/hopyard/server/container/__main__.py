"""`python -m hopyard.server.container`: lay out the files, then be the model server."""

import sys

from hopyard.server import main
from hopyard.server.container.layout import lay_out

if __name__ == "__main__":
    sys.exit(main(prepare=lay_out))

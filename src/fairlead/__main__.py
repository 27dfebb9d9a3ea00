"""`python -m fairlead` is the command line."""

import sys

from fairlead.entrypoints.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m fairlead` is the command line."""

from fairlead.entrypoints.cli import main

if __name__ == "__main__":
    main()

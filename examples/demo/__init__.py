"""The demo: what Fairlead does, shown by real processes on real documents."""

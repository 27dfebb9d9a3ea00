"""The environment of the process."""

"""The command line: thin commands over `fairlead.operations`."""

from __future__ import annotations


def main() -> int:
    """Run the command that the process's arguments name.

    Returns:
        0 when it did what was asked; 1 when it found something wrong; 2 for an error that has a
        code and for arguments that are not understood; 128 and the signal's number when it was
        interrupted.
    """
    # Signals first: from here on an interruption is a clean stop, also while commands load.
    from fairlead.entrypoints.cli.interruption import INTERRUPTION

    INTERRUPTION.install()

    from fairlead.entrypoints.cli.ending import ended

    with ended() as end:
        from fairlead.entrypoints.cli.tree import tree

        tree(prog_name="fairlead")
    return end.status

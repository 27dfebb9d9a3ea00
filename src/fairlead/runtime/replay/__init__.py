"""Recorded runs, executed again: the product's own runtime, with the recording for an outside.

`tape.py` answers calls, `stage.py` stands in for the stores and the engine, `play.py` executes.
"""

from fairlead.runtime.replay.held import let_go
from fairlead.runtime.replay.play import Played, Player
from fairlead.runtime.replay.tape import Missed, Tape

__all__ = ["Missed", "Played", "Player", "Tape", "let_go"]

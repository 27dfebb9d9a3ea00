"""A process that takes tokens as fast as it may, and says when it got each of them.

Started with the database's path, how many tokens to take, and the rate.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.throttle import SqlThrottle
from fairlead.core.rates import Rate
from fairlead.ports.clock import SystemClock


def main(path: Path, tokens: int, rate: Rate) -> None:
    """Take tokens one after another, each with a place that is waited for."""
    database = Database(f"sqlite:///{path}", synchronous="normal")
    throttle = SqlThrottle(database, SystemClock())
    let: list[float] = []
    held: float | None = None
    while len(let) < tokens:
        place = throttle.take("tool:shared", rate, most_s=60.0, held=held)
        assert place.at is not None
        if place.granted:
            let.append(place.at)
            held = None
        else:
            held = place.at
            time.sleep(place.wait_s)
    database.close()
    sys.stdout.write(json.dumps(let))


if __name__ == "__main__":
    folder, count, calls, per_s = sys.argv[1:]
    main(Path(folder), int(count), Rate(int(calls), per_s=float(per_s)))

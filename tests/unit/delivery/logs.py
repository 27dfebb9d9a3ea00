"""An event log that a test writes line by line, with the times that it says."""

from __future__ import annotations

from typing import Any

from fairlead.core.event import GENESIS, Event, Fact, seal

DAY = 86_400.0
HOUR = 3_600.0


class LogBook:
    """Events, each chain sealed as the store seals it."""

    def __init__(self) -> None:
        self.chains: dict[str, list[Event]] = {}

    @property
    def events(self) -> list[Event]:
        return [event for chain in self.chains.values() for event in chain]

    def say(self, at: float, chain: str, type: str, **data: Any) -> None:
        mine = self.chains.setdefault(chain, [])
        fact = Fact(chain=chain, type=type, data=data)
        previous = mine[-1].hash if mine else GENESIS
        number = len(mine) + 1
        mine.append(seal(fact, sequence=number, id=f"{chain}-{number}", time=at, previous=previous))

    def release(self, at: float, name: str, app: str = "shop", **provenance: Any) -> None:
        given: dict[str, Any] = {}
        if "baseline" in provenance:
            given["baseline"] = provenance.pop("baseline")
        if provenance:
            given["provenance"] = provenance
        self.say(at, f"release:{name}", "release.created", app=app, code=name, **given)

    def enforced(self, at: float, name: str, number: int, window_s: float = DAY) -> None:
        data = {"number": number, "baseline": name, "window_s": window_s, "by": "ada"}
        self.say(at, "baselines", "baseline.enforced", **data)

    def activate(self, at: float, name: str, before: str = "", **data: Any) -> None:
        data = {"kind": "activate", "by": "ada", "reason": "", "env": "live", **data}
        place = f"environment:{data.pop('env')}"
        self.say(at, place, "release.activated", release=name, **{"from": before or None}, **data)

    def pointed_back(self, at: float, name: str, bad: str, env: str = "live") -> None:
        data = {"release": name, "from": bad, "kind": "rollback", "by": "ada", "reason": "harm"}
        self.say(at, f"environment:{env}", "release.rolled_back", **data)

    def rollout(self, at: float, id: str, pair: tuple[str, str], **terms: Any) -> None:
        before, candidate = pair
        data = {"environment": "live", "app": "shop", "candidate": candidate, "baseline": before}
        self.say(at, f"rollout:{id}", "rollout.started", **data, by="ada", terms=terms)

    def promoted(self, at: float, id: str, pair: tuple[str, str]) -> None:
        before, candidate = pair
        data = {"environment": "live", "candidate": candidate, "baseline": before}
        self.say(at, f"rollout:{id}", "rollout.promoted", **data, phase="observing", bad=False)
        self.activate(at, candidate, before, kind="promote")

    def given_up(
        self, at: float, id: str, pair: tuple[str, str], *, bad: bool = True, safe: Any = (1.0, 9.0)
    ) -> None:
        before, candidate = pair
        data = {"environment": "live", "candidate": candidate, "baseline": before, "bad": bad}
        place = f"rollout:{id}"
        self.say(at, place, "rollout.rolled_back", **data, phase="aborting")
        if safe:
            figures = {"new_traffic_safe_s": safe[0], "in_flight_safe_s": safe[1]}
            self.say(at + safe[1], place, "rollout.ended", **data, phase="rolled_back", **figures)

    def run(self, at: float, id: str, release: str, state: str = "succeeded", **data: Any) -> None:
        """A run that ends a minute later; without a state it goes on."""
        data = {"purpose": "user", "release": release, "workflow": "ask", **data}
        self.say(at, f"run:{id}", "run.admitted", **data)
        if state == "cancelled":
            self.say(at + 60.0, f"run:{id}", "run.cancelled", by="ada", reason="")
        elif state:
            self.say(at + 60.0, f"run:{id}", "run.finished", state=state, outcome=None)

    def word(self, at: float, id: str, value: Any, name: str = "outcome") -> None:
        self.say(at, f"run:{id}", "feedback.given", name=name, value=value, by="ada", reason="")

    def drill(self, at: float, release: str, previous: str, conclusion: str = "success") -> None:
        data = {"previous": previous, "conclusion": conclusion, "evidence": "0" * 64}
        figures = {"new_traffic_safe_s": 0.2}
        self.say(at, f"release:{release}", "drill.finished", **data, figures=figures)

"""Which release a new run starts on, and with what probability it was that one.

The analysis of a rollout rests on this: the arm of a run is drawn with a probability that is on
record, and so it is independent of how the run ends as long as both releases are alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fairlead.core.identity import Principal

Arm: TypeAlias = Literal["baseline", "canary"]

Sticky: TypeAlias = Literal["run", "conversation", "user", "tenant"]
"""What keeps its arm for the length of a rollout, and so is one unit of its analysis."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Where new runs of an environment start.

    Attributes:
        environment: The environment.
        baseline: Digest of the release that takes what the candidate does not; empty for none.
        candidate: Digest of the release that is rolled out; empty for none.
        weight: Share of new runs that start on the candidate, from 0.0 to 1.0.
        rollout: Id of the rollout; empty for none.
        sticky: What keeps its arm.
    """

    environment: str
    baseline: str
    candidate: str = ""
    weight: float = 0.0
    rollout: str = ""
    sticky: Sticky = "run"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The release of one new run, and how it came to it.

    Attributes:
        environment: Where it was drawn.
        release: Digest of the release.
        rollout: Id of the rollout; empty for none.
        arm: On which side of it; `baseline` without one.
        probability: Probability of the candidate when this was drawn, from 0.0 to 1.0.
        unit: What counts once in the analysis: a digest, or empty for the run itself.
    """

    environment: str
    release: str
    rollout: str = ""
    arm: Arm = "baseline"
    probability: float = 0.0
    unit: str = ""


def assign(
    routes: Routes, principal: Principal, conversation: str | None, chance: float
) -> Assignment:
    """Choose the release of a new run.

    What is sticky has a place between 0 and 1 that follows from its name and the rollout alone: it
    keeps its arm as long as the weight stays, and changes it at most once while the weight grows.

    Args:
        routes: Where new runs start.
        principal: Who asks.
        conversation: The conversation that the run belongs to; None for none.
        chance: A number from 0.0 up to 1.0, drawn for this run.
    """
    if not routes.rollout:
        return Assignment(environment=routes.environment, release=routes.baseline)
    weight = _share(routes)
    unit = _unit(routes, principal, conversation)
    place = int(unit[:13], 16) / 16**13 if unit else chance
    taken = place < weight
    return Assignment(
        environment=routes.environment,
        release=routes.candidate if taken else routes.baseline,
        rollout=routes.rollout,
        arm="canary" if taken else "baseline",
        probability=weight,
        unit=unit,
    )


def holds(drawn: Assignment, routes: Routes | None) -> bool:
    """Say whether a run may still start where it was drawn to.

    Args:
        drawn: How its release was drawn.
        routes: Where new runs start now; None when no release is active.
    """
    if routes is None or routes.rollout != drawn.rollout:
        return False
    if not routes.rollout:
        return routes.baseline == drawn.release
    return _share(routes) == drawn.probability


def _share(routes: Routes) -> float:
    # A first release has nothing beside it.
    return routes.weight if routes.baseline else 1.0


def _unit(routes: Routes, principal: Principal, conversation: str | None) -> str:
    names = {
        "run": None,
        "conversation": conversation,
        "user": principal.user,
        "tenant": principal.tenant,
    }
    name = names[routes.sticky]
    if name is None:
        return ""
    said = "\x1f".join((routes.rollout, routes.sticky, principal.tenant, name))
    return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:32]

"""What an export says of each call: who asked, under which release and policies, who agreed.

All of it is told from the exported events alone, so whoever has the export tells it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from fairlead.core.audit import (
    Anchor,
    Checkpoint,
    Finding,
    Head,
    path_of,
    root_by_path,
    same,
)
from fairlead.core.digests import Json
from fairlead.core.event import Event, verify_chain

VERSION = 1

_TOLD = ("call.intended", "call.finished")


@dataclass
class Teller:
    """Tells of each call what the events before it say.

    Attributes:
        policies: Digest of the policies, by release.
    """

    policies: dict[str, Json] = field(default_factory=dict)
    _chain: str = ""
    _run: dict[str, Json] = field(default_factory=dict)
    _asked: dict[str, dict[str, Json]] = field(default_factory=dict)
    _used: dict[str, Json] | None = None

    def tell(self, event: Event) -> dict[str, Json] | None:
        """Return what there is to say of an event; None when it is no call's.

        Args:
            event: The next one, chain by chain; the chains of releases come before those of runs.
        """
        if event.chain != self._chain:
            self._chain, self._run, self._asked, self._used = event.chain, {}, {}, None
        data = event.data
        if event.type == "release.created":
            self.policies[event.chain.partition(":")[2]] = data.get("policies")
        elif event.type == "run.admitted":
            self._run = {name: data.get(name) for name in ("user", "tenant", "workflow", "release")}
            self._run["policies"] = self.policies.get(str(data.get("release")))
        elif event.type.startswith("approval."):
            self._approval(event)
        elif event.type in _TOLD:
            used = self._used
            mine = used if used is not None and used.get("tool") == data.get("name") else None
            if event.type == "call.finished":
                self._used = None
            return {**self._run, "approval": mine}
        return None

    def _approval(self, event: Event) -> None:
        data, name = event.data, str(event.data.get("approval"))
        if event.type == "approval.asked":
            self._asked[name] = {"id": name, "tool": data.get("tool"), "by": None}
        elif event.type == "approval.answered" and name in self._asked:
            self._asked[name]["by"] = data.get("by")
        elif event.type == "approval.consumed":
            self._used = self._asked.get(name)


def event_line(event: Event, told: dict[str, Json] | None) -> Json:
    """Return an event as it stands in an export."""
    line: dict[str, Json] = {"event": asdict(event)}
    return line if told is None else {**line, "call": told}


def event_from_json(data: Json) -> Event:
    """Read an event of an export.

    Raises:
        ValueError: It is none.
    """
    kinds = {"chain": str, "sequence": int, "id": str, "type": str, "time": (int, float)}
    kinds |= {"data": dict, "previous": str, "hash": str}
    if not isinstance(data, dict) or data.keys() != kinds.keys():
        raise ValueError("it is no event")
    for name, kind in kinds.items():
        if not isinstance(data[name], kind):  # type: ignore[arg-type]
            raise ValueError(f"{name} of an event is not {data[name]!r}")
    return Event(**data)


def proof_line(chain: str, anchor: Anchor | None, leaves: Sequence[bytes]) -> Json:
    """Return what proves up to where a chain is covered by a checkpoint.

    Args:
        chain: The chain.
        anchor: Its newest head in a checkpoint; None when no checkpoint has it.
        leaves: What stands for the heads of that checkpoint.
    """
    if anchor is None:
        return {"proof": {"chain": chain, "checkpoint": None}}
    return {
        "proof": {
            "chain": chain,
            "checkpoint": anchor.checkpoint,
            "sequence": anchor.head.sequence,
            "position": anchor.position,
            "path": path_of(leaves, anchor.position),
        }
    }


@dataclass(kw_only=True)
class ChainOfExport:
    """One chain of an export, as far as it was read.

    Attributes:
        events: Its events.
        covered: How many of them a checkpoint covers.
    """

    events: list[Event] = field(default_factory=list)
    covered: int = 0

    def findings(self, proof: Json, checkpoints: dict[int, Checkpoint]) -> list[Finding]:
        """Return what does not hold.

        Args:
            proof: What `proof_line` returned for it.
            checkpoints: The checkpoints of the export, by number.
        """
        if not isinstance(proof, dict):
            return [Finding(what="the proof of a chain is no object")]
        name = str(proof.get("chain"))
        if not self.events or any(event.chain != name for event in self.events):
            return [Finding(what=f"the proof of {name!r} does not belong to the events above it")]
        found = []
        broken = verify_chain(self.events)
        if broken is not None:
            found.append(Finding(what=broken, chain=name))
        if proof.get("checkpoint") is not None and not self._proven(proof, checkpoints):
            number = proof["checkpoint"]
            found.append(Finding(what=f"checkpoint {number} does not have {name}", chain=name))
        return found

    def _proven(self, proof: Json, checkpoints: dict[int, Checkpoint]) -> bool:
        try:
            checkpoint = checkpoints[proof["checkpoint"]]
            sequence, path = int(proof["sequence"]), [str(item) for item in proof["path"]]
            event = self.events[sequence - 1]
            head = Head(chain=event.chain, sequence=sequence, hash=event.hash)
            root = root_by_path(head.leaf, int(proof["position"]), checkpoint.heads, path)
        except (LookupError, TypeError, ValueError, OverflowError):
            return False
        self.covered = sequence
        return root is not None and sequence >= 1 and same(root, checkpoint.root)

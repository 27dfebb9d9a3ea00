"""What can be said of a way back from two manifests and from what runs have on record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fairlead.core.digests import Json
from fairlead.core.release import Manifest
from fairlead.core.schemas import accepts_all
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.journal import CallRecord
from fairlead.ports.runs import RunRecord


def memory_findings(candidate: Manifest, previous: Manifest) -> list[str]:
    """Say what one of two releases remembers and the other one does not read.

    Args:
        candidate: The newer release.
        previous: The release to which it is rolled back.
    """
    pairs = (
        (previous, candidate, "the previous release does not read", "the candidate"),
        (candidate, previous, "the candidate does not read", "the previous release"),
    )
    return [
        f"memory: {what} schema {writer.memory.schema}, which {whose} writes"
        for reader, writer, what, whose in pairs
        if reader.memory.outside((writer.memory.schema,))
    ]


def taken_by_all(workflow: str, manifests: Sequence[Manifest]) -> Callable[[Json], bool] | None:
    """Return what says whether every release takes an input; None when one has no such workflow.

    Args:
        workflow: Its name.
        manifests: Those of the releases.
    """
    if any(workflow not in manifest.workflows for manifest in manifests):
        return None
    checks = [SchemaCheck(manifest.workflows[workflow].input_schema) for manifest in manifests]
    return lambda given: all(check.finding(given) is None for check in checks)


class Accepting:
    """Asks of a release whether it accepts what runs of another one have on record.

    Attributes:
        findings: What it would refuse, each kind once.
    """

    def __init__(self, previous: Manifest, candidate: Manifest) -> None:
        """Compile what the release accepts.

        Args:
            previous: The manifest of the release that is asked.
            candidate: That of the release under which the runs began.
        """
        self._previous, self._candidate = previous, candidate
        self._inputs = {
            name: SchemaCheck(terms.input_schema, quoting=False)
            for name, terms in previous.workflows.items()
        }
        self._found: dict[str, None] = {}

    @property
    def findings(self) -> tuple[str, ...]:
        """What it would refuse."""
        return tuple(self._found)

    def look(self, run: RunRecord, calls: Iterable[CallRecord]) -> None:
        """Look at one run: its input, and the tools that it called.

        Args:
            run: The run, with its input.
            calls: Its calls.
        """
        taken = self._inputs.get(run.workflow)
        if taken is None:
            self._say(f"it has no workflow {run.workflow}")
        elif run.input is not None and (why := taken.finding(run.input)) is not None:
            self._say(f"it refuses an input of workflow {run.workflow}: {why}")
        for name in sorted({call.name for call in calls if call.kind == "tool"}):
            self._tool(name)

    def _tool(self, name: str) -> None:
        known = self._previous.contracts.get(name), self._candidate.contracts.get(name)
        if known[0] is None:
            self._say(f"it has no tool {name}")
        elif known[1] is not None and not accepts_all(known[0].parameters, known[1].parameters):
            # The record holds digests of arguments, so it is the contracts that are compared.
            self._say(f"its tool {name} may refuse arguments that the candidate's took")

    def _say(self, what: str) -> None:
        self._found[f"contract: the previous release would not go on with a run: {what}"] = None

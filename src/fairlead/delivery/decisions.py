"""Asks a candidate's policies its guardrail tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fairlead.core.digests import digest
from fairlead.core.label import UNDECLARED, joined, own_label
from fairlead.core.policy import ACTIONS, Decision
from fairlead.core.release import Manifest
from fairlead.guardrails.decide import Act, Bundle, Situation
from fairlead.guardrails.shapes import SchemaCheck
from fairlead.ports.app_files import AppFiles
from fairlead.ports.authorizer import Authorizer
from fairlead.ports.decisions import DecisionCase, DecisionParser

FOLDER = "guardrails"
"""Where an app's guardrail tests stand."""


def declared_decisions(files: AppFiles, parse: DecisionParser) -> tuple[DecisionCase, ...]:
    """Return the guardrail tests of an app, in the order of their files.

    Args:
        files: The app's files; its tests are part of the bundle.
        parse: Reads a file.

    Raises:
        InvalidConfig: A file is not understood.
    """
    texts = files.below(FOLDER)
    return tuple(case for path, text in texts.items() for case in parse(path, text))


def bundle_of(manifest: Manifest, authorizer: Authorizer) -> Bundle:
    """Return what decides for a release."""
    return Bundle(
        contracts=manifest.contracts, authorizer=authorizer, digest=digest(manifest.policies)
    )


def case_findings(manifest: Manifest, cases: Sequence[DecisionCase]) -> list[str]:
    """Find cases that ask about what no run could do: they would show nothing.

    Args:
        manifest: The candidate.
        cases: Its guardrail tests.
    """
    found = []
    checks = {name: SchemaCheck(one.parameters) for name, one in manifest.contracts.items()}
    for case in cases:
        named = [*([case.resource] if case.action == "call" else []), *case.tools]
        unknown = [name for name in named if name not in manifest.contracts]
        if unknown:
            found.append(f"{_place(case)}: there is no tool named {unknown[0]}")
            continue
        if case.workflow and case.workflow not in manifest.workflows:
            found.append(f"{_place(case)}: there is no workflow named {case.workflow}")
        kinds = _kinds(manifest, case.workflow)
        if ACTIONS[case.action] == "Memory" and case.resource not in kinds:
            who = f"workflow {case.workflow}" if case.workflow else "no workflow"
            no = "no" if case.workflow else "any"
            found.append(f"{_place(case)}: {who} declares {no} {case.resource} memory")
        if case.action == "call":
            odd = checks[case.resource].finding(dict(case.arguments))
            if odd is not None:
                found.append(f"{_place(case)}: its arguments do not fit the contract: {odd}")
    return found


def _kinds(manifest: Manifest, workflow: str) -> set[str]:
    """Return the kinds of memory that a workflow declares; that any does, when none is named."""
    terms = manifest.workflows.values()
    some = [one for one in terms if one.remember and workflow in ("", one.name)]
    return {kind for one in some if one.remember for kind in one.remember.kinds}


def decision_findings(bundle: Bundle, cases: Sequence[DecisionCase]) -> Iterator[str]:
    """Yield which cases are decided otherwise than they expect.

    Args:
        bundle: What decides.
        cases: The guardrail tests.
    """
    for case in cases:
        wrong = _wrong(case, _decided(bundle, case))
        if wrong is not None:
            yield f"{_place(case)}: {wrong}"


def _place(case: DecisionCase) -> str:
    return f"{case.path}, case {case.name}"


def _decided(bundle: Bundle, case: DecisionCase) -> Decision:
    seen = own_label(case.principal) if case.seen is None else case.seen
    for tool in case.tools:
        contract = bundle.contracts.get(tool)
        labels = contract.labels if contract and contract.labels else {"": UNDECLARED}
        said = (label.resolved(case.principal, f"tool:{tool}") for label in labels.values())
        seen = seen.join(joined(said))
    labels_of = {name: case.labels.get(name, seen) for name in case.arguments}
    if ACTIONS[case.action] == "Memory":
        # What is remembered may rest on all of it.
        labels_of = {"": seen}
    return bundle.decide(
        case.point,
        case.principal,
        Act(action=case.action, resource=case.resource, arguments=case.arguments),
        labels=labels_of,
        context=Situation(workflow=case.workflow, seen=seen, tools=frozenset(case.tools)),
    )


def _wrong(case: DecisionCase, decision: Decision) -> str | None:
    because = ", ".join(decision.reasons)
    if decision.effect != case.expect:
        return f"{decision.effect} ({because}), not {case.expect}"
    if case.rules and set(decision.reasons) != set(case.rules):
        return f"decided by {because}, not by {', '.join(case.rules)}"
    said = decision.obligations
    if case.role and said.role != case.role:
        return f"{said.role} is asked, not {case.role}"
    if case.redact and set(said.redact) != set(case.redact):
        return f"takes out {', '.join(said.redact)}, not {', '.join(case.redact)}"
    return None

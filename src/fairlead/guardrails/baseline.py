"""What a baseline says of a release, and how its policies stand beside an app's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from fairlead.core.baseline import Baseline, most
from fairlead.core.digests import digest
from fairlead.core.policy import ACTIONS, Decision, Query, Rule
from fairlead.core.release import Manifest, ToolContract
from fairlead.guardrails.decide import Bundle
from fairlead.ports.authorizer import Authorizer, PolicyCompiler, PolicyMutant

PERMITTED = "permitted"
"""Id of the permit that every baseline has: what no rule of it forbids is the app's to decide."""

_PERMIT = f'@id("{PERMITTED}")\npermit (principal, action, resource);\n'
_PERMIT_PATH = "(every baseline)"


class Above:
    """A baseline's compiled policies; its rules are named `baseline:ID` in what they decide."""

    def __init__(self, inner: Authorizer) -> None:
        self._inner = inner

    @property
    def rules(self) -> Sequence[Rule]:
        """The heads of the baseline's own rules."""
        return [rule for rule in self._inner.rules if rule.id != PERMITTED]

    def decide(self, query: Query) -> Decision:
        """Decide one query; a rule that cannot be evaluated denies."""
        decision = self._inner.decide(query)
        named = tuple(_named(reason) for reason in decision.reasons if reason != PERMITTED)
        wanted = decision.obligations
        asked_by = tuple(_named(reason) for reason in wanted.asked_by)
        return replace(decision, reasons=named, obligations=replace(wanted, asked_by=asked_by))

    def findings(
        self,
        contracts: Mapping[str, ToolContract] | None,
        *,
        workflows: Collection[str] = (),
        shared: bool = True,
    ) -> Sequence[str]:
        """Find what the rules say that cannot be; held against one app's contracts, or none's.

        What one app does not have, another one has: it is no finding.
        """
        shared = shared and contracts is not None
        return self._inner.findings(contracts, workflows=workflows, shared=shared)

    def reads(self) -> frozenset[str]:
        """Return the facts of `context` that some rule reads."""
        return self._inner.reads()

    def mutants(self) -> Iterator[PolicyMutant]:
        """Yield these policies with one small mistake each."""
        return self._inner.mutants()


def _named(reason: str) -> str:
    error = "error: "
    if reason.startswith(error):
        return f"{error}baseline: {reason.removeprefix(error)}"
    return f"baseline:{reason}"


def compile_baseline(policies: Mapping[str, str], compile: PolicyCompiler) -> Above:
    """Compile a baseline's policies.

    Policies deny by default, and a baseline must not: it would have to know every app's tools.
    So each has one more rule, which permits. A forbid wins over it, a permit that asks or redacts
    is stricter than it, and a rule that cannot be evaluated denies in spite of it.

    Args:
        policies: Texts by path; none at all permits everything.
        compile: The policy compiler.

    Raises:
        InvalidConfig: A text is no valid policy.
    """
    return Above(compile({**policies, _PERMIT_PATH: _PERMIT}))


def bundle_of(manifest: Manifest, compile: PolicyCompiler) -> Bundle:
    """Compile a release's policies, with those of its baseline.

    Args:
        manifest: The release's manifest.
        compile: The policy compiler.

    Raises:
        InvalidConfig: A text is no valid policy.
    """
    own = Bundle(
        contracts=manifest.contracts,
        authorizer=compile(manifest.policies),
        digest=digest(manifest.policies),
    )
    return under(own, manifest.policies, manifest.baseline, compile)


def under(
    bundle: Bundle,
    policies: Mapping[str, str],
    baseline: Baseline | None,
    compile: PolicyCompiler,
) -> Bundle:
    """Return a bundle with a baseline above it, whose digest covers both.

    Args:
        bundle: The app's.
        policies: Its texts by path.
        baseline: What stands above it; None for nothing.
        compile: The policy compiler.
    """
    if baseline is None:
        return replace(bundle, baseline=None, digest=digest(dict(policies)))
    return replace(
        bundle,
        baseline=compile_baseline(baseline.policies, compile),
        digest=digest([dict(policies), baseline.policies]),
    )


def baseline_findings(baseline: Baseline | None, manifest: Manifest) -> list[str]:
    """Find where an app asks for more than a baseline allows.

    Args:
        baseline: The baseline; None for none.
        manifest: The app's manifest as the app declares it.

    Returns:
        One line per finding, in a stable order, with both numbers of a limit.
    """
    if baseline is None:
        return []
    found = []
    for name, terms in sorted(manifest.workflows.items()):
        for limit, maximum in sorted(baseline.limits.items()):
            asked = most(terms.limits, limit)
            if asked > maximum:
                found.append(
                    f"workflow {name}: limits.{limit} is {asked:g}, "
                    f"and the baseline allows at most {maximum:g}"
                )
        for rail in baseline.guardrails:
            if rail not in terms.guardrails:
                found.append(
                    f"workflow {name} lacks the guardrail {rail}, which the baseline requires"
                )
            elif rail not in terms.enforced:
                found.append(
                    f"workflow {name}: its guardrail {rail} is not Fairlead's own, or only warns; "
                    "the baseline requires Fairlead's own, and on_fail must stop what fails"
                )
    for name, contract in sorted(manifest.contracts.items()):
        objections = baseline.contracts.objections(
            contract.effect, contract.scope, egress=contract.egress
        )
        found += [f"tool {name} {objection}" for objection in objections]
    return found


def unevaluable(
    baseline: Baseline | None, manifest: Manifest, compile: PolicyCompiler
) -> list[str]:
    """Find rules of a baseline that cannot be evaluated on an app's calls, and so deny them.

    Args:
        baseline: The baseline; None for none.
        manifest: The app's manifest.
        compile: The policy compiler.

    Raises:
        InvalidConfig: A text of the baseline is no valid policy.
    """
    if baseline is None:
        return []
    return list(compile_baseline(baseline.policies, compile).findings(manifest.contracts))


def baseline_rule_findings(rules: Sequence[Rule]) -> list[str]:
    """Find rules of a baseline that could do nothing.

    Args:
        rules: The heads of its own rules.
    """
    found = []
    for rule in rules:
        start = f"rule {rule.id}"
        unknown = [action for action in rule.actions if action not in ACTIONS]
        found += [f"{start}: there is no action named {action}" for action in unknown]
        kind = rule.resource_kind
        if kind is not None and kind not in ACTIONS.values():
            found.append(f"{start}: there is no kind of resource named {kind}")
        elif kind is not None and rule.actions and not unknown:
            done_to = {target for action, target in ACTIONS.items() if action in rule.actions}
            if kind not in done_to:
                found.append(f"{start} matches nothing: its actions are never done to a {kind}")
        if rule.effect == "permit" and not rule.ask and not rule.obligations.redact:
            found.append(
                f"{start} permits what is permitted anyway: a baseline forbids, asks or redacts"
            )
    return found

"""The one decision: what the policies say of an act, wherever it is asked.

`Bundle.decide` is pure and total. `fairlead check`, the filter before a ranking and every call of
every run ask the same function of the same bundle. What cannot be decided is denied.

What a rule may look at, beside principal, action and resource (`core/facts.py` has the list):

- `context.point`: where it is asked: `call`, `recall`, `start` or `check`;
- `context.workflow`, `context.effect`, `context.scope`, `context.egress`: of the run and of the
  tool's contract;
- `context.arguments`: the tool's arguments, numbers in the form that the contract declares;
- `context.targets`, `context.payload`: the label of the arguments that the contract names so;
  `context.labels`: of all arguments together, or of what is remembered; each with `integrity`,
  `private` and `origins`;
- `context.seen`: the same of everything that the run has received so far, with `tools`, the names
  of the tools that it has called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from fairlead.core.calls import Call, CallKind
from fairlead.core.declared import Declared, declared_by, in_form
from fairlead.core.digests import Json
from fairlead.core.identity import Principal
from fairlead.core.label import PUBLIC, Label, joined
from fairlead.core.policy import Action, Decision, Point, Query, stricter
from fairlead.core.release import ToolContract
from fairlead.ports.authorizer import Authorizer

ACTION_OF: dict[CallKind, Action] = {
    "model": "generate",
    "tool": "call",
    "retrieval": "retrieve",
    "child": "start",
}
"""A step of the workflow's own code is no act on anything, so no policy is asked about it."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """What somebody is about to do.

    Attributes:
        action: What is done.
        resource: Name of the model, tool, collection or workflow that it is done to, or a kind of
            memory.
        arguments: A tool's arguments; empty for everything else.
    """

    action: Action
    resource: str
    arguments: Mapping[str, Json] = field(default_factory=dict)


MEMORY_ACTIONS: dict[str, Action] = {
    "remember": "remember",
    "supersede": "remember",
    "recall": "recall",
    "get": "recall",
    "history": "recall",
    "forget": "forget",
}
"""What each operation on memory is, for the policies; each is asked of each kind of memory."""


def acts_of(call: Call) -> tuple[Act, ...]:
    """Return what a call does; all of it must be allowed. Nothing when no policy is asked."""
    if call.kind == "memory":
        action = MEMORY_ACTIONS[call.name]
        return tuple(Act(action=action, resource=kind) for kind in call.actual["kinds"])
    known = ACTION_OF.get(call.kind)
    if known is None:
        return ()
    arguments = call.actual if call.kind == "tool" else {}
    return (Act(action=known, resource=call.name, arguments=arguments),)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a run is at.

    Attributes:
        workflow: Its workflow.
        seen: The label of everything that it has received so far.
        tools: The tools that it has called so far.
    """

    workflow: str
    seen: Label = PUBLIC
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The policies of one release with the contracts that they speak of, compiled.

    Attributes:
        contracts: Contracts by tool.
        authorizer: The compiled policies.
        digest: Digest of the policies' texts, with those of the baseline.
        baseline: The compiled policies of the platform, which stand above; None for none.
    """

    contracts: Mapping[str, ToolContract]
    authorizer: Authorizer
    digest: str = ""
    baseline: Authorizer | None = None

    @cached_property
    def _declared(self) -> Mapping[str, Declared]:
        """What each tool's arguments are, found out once."""
        return {name: declared_by(one.parameters) for name, one in self.contracts.items()}

    def decide(
        self,
        point: Point,
        principal: Principal,
        act: Act,
        *,
        labels: Mapping[str, Label],
        context: Situation,
    ) -> Decision:
        """Decide one act.

        Args:
            point: Where it is asked.
            principal: Who asks.
            act: What is to be done.
            labels: Labels of the act's arguments by name.
            context: What the run is at.

        Returns:
            What the policies say; deny when that cannot be told. Never raises.
        """
        try:
            query = self._query(point, principal, act, labels=labels, context=context)
        except Exception as error:  # noqa: BLE001 - what cannot be decided is denied
            return replace(_undecided(error), policy=self.digest)
        return self.answer(query)

    def answer(self, query: Query) -> Decision:
        """Decide a query that was made before, as `decide` does.

        Where both the policies and the baseline ask a person, the stricter role is asked.

        Args:
            query: What is to be decided.
        """
        try:
            decision = self.authorizer.decide(query)
            if self.baseline is not None:
                decision = stricter(self.baseline.decide(query), decision)
        except Exception as error:  # noqa: BLE001 - what cannot be decided is denied
            decision = _undecided(error)
        return replace(decision, policy=self.digest, asked=query)

    def _query(
        self,
        point: Point,
        principal: Principal,
        act: Act,
        *,
        labels: Mapping[str, Label],
        context: Situation,
    ) -> Query:
        contract = self.contracts.get(act.resource) if act.action == "call" else None
        targets, payload = (contract.targets, contract.payload) if contract else ((), ())
        arguments: Json = act.arguments
        if contract:
            arguments = in_form(arguments, self._declared[act.resource])
        facts: dict[str, Json] = {
            "point": point,
            "workflow": context.workflow,
            "effect": contract.effect if contract else "read",
            "scope": contract.scope if contract else "",
            "egress": contract.egress if contract else False,
            "arguments": arguments,
            "labels": _facts(joined(labels.values())),
            "targets": _facts(joined(labels[name] for name in targets if name in labels)),
            "payload": _facts(joined(labels[name] for name in payload if name in labels)),
            "seen": {**_facts(context.seen), "tools": sorted(context.tools)},
        }
        return Query(
            user=principal.user,
            tenant=principal.tenant,
            action=act.action,
            resource=act.resource,
            context=facts,
            roles=principal.roles,
            scopes=principal.scopes,
            issuer=principal.issuer,
        )


def _undecided(error: Exception) -> Decision:
    reason = f"error: it could not be decided: {type(error).__name__}"
    return Decision(effect="deny", reasons=(reason,))


def _facts(label: Label) -> dict[str, Json]:
    return {
        "integrity": label.integrity,
        "private": label.readers is not None,
        "origins": list(label.origins),
    }

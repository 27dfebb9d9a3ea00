"""Who asks reaches each place that decides by it: the policies, the filter, and the store's query.

Everything here is asked by another principal than the default one, so that no constant can pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import fairlead as fl
from fairlead.core.calls import Call, CallKind
from fairlead.core.context import Context
from fairlead.core.policy import Decision, Query
from fairlead.core.request import Admitted, Request
from fairlead.guardrails.decide import Bundle
from fairlead.runtime.authorize import authorize, readable
from fairlead.runtime.calling import denial
from fairlead.runtime.interceptors.policy import policy
from fairlead.runtime.scope import RunScope, Tally
from fairlead.testing import FakeAuthorizer, FakeDocuments
from tests.unit.runtime.bench import SLO_OF_TESTS, Bench, documents_of, manifest_of
from tests.unit.runtime.test_boundary import Bench as BoundaryBench

ANN = fl.Principal(user="ann", tenant="other")


@dataclass
class FakeTenants(FakeAuthorizer):
    """Allows what each tenant is told to have, and nothing else.

    Attributes:
        allowed: Names of resources, by tenant.
    """

    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def decide(self, query: Query) -> Decision:
        self.asked.append(query)
        if query.resource in self.allowed.get(query.tenant, frozenset()):
            return Decision(effect="allow", reasons=("theirs",))
        return Decision(effect="deny", reasons=("not-theirs",))


@fl.tool(effect="read", scope="items:read")
async def look(ctx: fl.Context) -> str:
    """Say who asks."""
    return f"{ctx.principal.user} of {ctx.principal.tenant}"


def workflow_of(body: Callable[..., Any]) -> fl.Workflow[Any, Any]:
    """Return a workflow that retrieves, calls and generates, with this body."""

    async def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(str(messages))])

    return fl.workflow(
        intent="Be asked by somebody",
        owner="group:default/tests",
        input=str,
        output=str,
        model=Agent(FunctionModel(respond, model_name="m"), name="answerer"),
        tools=[look],
        memory=fl.Memory(semantic=fl.Recall("notes", top_k=2)),
        slo=SLO_OF_TESTS,
    )(body)


async def answers(run: Any, question: str) -> str:
    return str((await run.answer(question)).unwrap())


async def retrieves(run: Any, question: str) -> str:
    return " ".join(source.passage.text for source in await run.retrieve(question))


async def calls(run: Any, question: str) -> str:
    return str(await run.call(look)) + " " + await answers(run, question)


def bench_of(body: Callable[..., Any], principal: fl.Principal, **options: Any) -> Bench:
    """Return a bench with a run that somebody asked for, and documents of three tenants."""
    stores = [
        documents_of(f"An item of {tenant}.", tenant=tenant).passages
        for tenant in ("default", "other", "third")
    ]
    documents = FakeDocuments(passages=[passage for store in stores for passage in store])
    bench = Bench(workflow_of(body), input="an item", documents=documents, **options)
    bench.runs.records["r1"] = replace(bench.runs.records["r1"], principal=principal)
    return bench


@pytest.mark.parametrize("body", [answers, retrieves])
@pytest.mark.parametrize("tenant", ["other", "third", "default"])
def test_invariant_07_the_query_names_the_tenant_of_the_run(
    body: Callable[..., Any], tenant: str
) -> None:
    """Along the request path and by `run.retrieve`; the answer holds only what is the asker's."""
    bench = bench_of(body, replace(ANN, tenant=tenant))
    ended = bench.execute()
    assert (ended.state, ended.reason) == ("succeeded", "")
    assert [query.tenant for query in bench.documents.queries] == [tenant]
    named = {name for name in ("default", "other", "third") if f"of {name}" in str(ended.outcome)}
    assert named == {tenant}


def test_invariant_07_each_decision_is_asked_for_the_principal_of_the_run() -> None:
    """The filter, and the boundary at each kind of call."""
    bench = bench_of(calls, ANN)
    ended = bench.execute()
    assert (ended.state, ended.reason) == ("succeeded", "")
    assert "ann of other" in ended.outcome["answer"]
    asked = bench.authorizer.asked
    assert {(query.user, query.tenant) for query in asked} == {("ann", "other")}
    assert [(query.action, query.resource) for query in asked] == [
        ("call", "look"),
        ("retrieve", "notes"),
        ("retrieve", "notes"),
        ("generate", "function:m"),
    ]


@pytest.mark.parametrize(("tenant", "state"), [("other", "succeeded"), ("default", "denied")])
def test_invariant_07_what_one_tenant_may_another_may_not(tenant: str, state: str) -> None:
    allowed = {"other": frozenset(["notes", "function:m"])}
    bench = bench_of(answers, replace(ANN, tenant=tenant), authorizer=FakeTenants(allowed=allowed))
    assert bench.execute().state == state
    assert len(bench.documents.queries) == (state == "succeeded")


# -------------------------------------------------------------------------------- the interceptor

KINDS: list[tuple[CallKind, str, str]] = [
    ("model", "m", "generate"),
    ("tool", "once", "call"),
    ("retrieval", "notes", "retrieve"),
]


def scope_of(principal: fl.Principal, authorizer: FakeAuthorizer) -> RunScope:
    """Return the scope of somebody's run."""
    scope = BoundaryBench().scope
    return replace(
        scope,
        context=replace(scope.context, principal=principal),
        rules=replace(scope.rules, bundle=replace(scope.rules.bundle, authorizer=authorizer)),
    )


def call_of(kind: CallKind, name: str) -> Call:
    return Call(
        run_id="r1",
        number=1,
        kind=kind,
        name=name,
        arguments={"amount": 5},
        effect="read",
        lineage="root",
    )


@pytest.mark.parametrize(("kind", "name", "action"), KINDS)
def test_invariant_07_the_interceptor_says_who_asks(kind: CallKind, name: str, action: str) -> None:
    authorizer = FakeAuthorizer()
    scope = scope_of(ANN, authorizer)
    decision = policy(scope, call_of(kind, name), Tally())
    assert decision is not None and decision.effect == "allow"
    (query,) = authorizer.asked
    assert (query.user, query.tenant) == ("ann", "other")
    assert (query.action, query.resource) == (action, name)


def test_invariant_07_the_interceptor_refuses_another_tenant() -> None:
    authorizer = FakeTenants(allowed={"other": frozenset(["once"])})
    call = call_of("tool", "once")
    allowed = policy(scope_of(ANN, authorizer), call, Tally())
    assert allowed is not None and denial(allowed) is None
    denied = policy(scope_of(replace(ANN, tenant="default"), authorizer), call, Tally())
    refused = denied and denial(denied)
    assert refused is not None
    assert (refused.code, refused.reason) == ("FL-500", "denied by policy: not-theirs")


# -------------------------------------------------------------------------------------- the stage


def admitted_of(principal: fl.Principal, *, recalls: bool = True) -> Admitted:
    """Return what the stage before authorize produces."""
    terms = manifest_of(workflow_of(answers)).workflows["answers"]
    return Admitted(
        request=Request(question="item", input="item"),
        context=Context(run_id="r1", workflow="answers", release="d", principal=principal),
        terms=terms if recalls else replace(terms, recall=None),
        checks=(),
    )


def test_invariant_07_only_what_the_asker_may_read_is_readable() -> None:
    """Each collection is asked for by itself, and those that are allowed keep their order."""
    names = ("zoo", "notes", "attic")
    allowed = {"other": frozenset(["attic", "zoo"]), "default": frozenset(["notes"])}
    authorizer = FakeTenants(allowed=allowed)
    bundle = Bundle(contracts={}, authorizer=authorizer)
    assert readable(admitted_of(ANN), bundle, names) == ("zoo", "attic")
    assert readable(admitted_of(fl.Principal()), bundle, names) == ("notes",)
    assert readable(admitted_of(replace(ANN, tenant="third")), bundle, names) == ()
    assert [query.resource for query in authorizer.asked] == [*names] * 3


@pytest.mark.parametrize(("denied", "collections"), [((), ("notes",)), (("notes",), ())])
def test_invariant_07_the_stage_filters_by_itself(
    denied: tuple[str, ...], collections: tuple[str, ...]
) -> None:
    """It does not rest on the boundary's refusal, which comes later."""
    authorizer = FakeAuthorizer(denied=frozenset(denied))
    admitted = admitted_of(ANN)
    authorized = authorize(admitted, Bundle(contracts={}, authorizer=authorizer))
    assert (authorized.admitted, authorized.collections) == (admitted, collections)
    (query,) = authorizer.asked
    assert (query.user, query.tenant) == ("ann", "other")
    assert (query.action, query.resource) == ("retrieve", "notes")
    assert (query.context["point"], query.context["workflow"]) == ("recall", "answers")


def test_without_memory_nothing_is_asked_and_nothing_is_readable() -> None:
    authorizer = FakeAuthorizer()
    assert (
        authorize(
            admitted_of(ANN, recalls=False), Bundle(contracts={}, authorizer=authorizer)
        ).collections
        == ()
    )
    assert authorizer.asked == []

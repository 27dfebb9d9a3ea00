"""Flags mean what OpenFeature and flagd say they mean."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature import api
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider

from fairlead.adapters.openfeature import flags as adapter
from fairlead.adapters.openfeature.flags import OpenFeatureFlags
from fairlead.core.errors import FlagsNotInstalled
from fairlead.core.flags import FlagDetails, FlagTerms, asked_type
from fairlead.ports.flags import FlagQuery

apps = itertools.count()


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Leave the SDK as it was: its providers and hooks are the process's."""
    yield
    api.shutdown()


def source(provider: Any = None, *, within_s: float = 5.0) -> OpenFeatureFlags:
    return OpenFeatureFlags(f"app-{next(apps)}", provider, within_s=within_s)


def terms(*, targeting: Any = None, default: str | None = "off", **variants: Any) -> FlagTerms:
    kinds: Any = asked_type(next(iter(variants.values())))
    return FlagTerms(
        type={"integer": "number", "float": "number"}.get(kinds, kinds),
        variants=variants,
        default_variant=default,
        targeting=targeting or {},
    )


FLAGS = {
    "boolean": terms(on=True, off=False, default="on"),
    "string": terms(greeting="hi", parting="bye", default="greeting"),
    "integer": terms(one=1, ten=10, default="ten"),
    "float": terms(tenth=0.1, half=0.5, default="half"),
    "object": terms(empty={}, full={"title": "Check", "imagesPerPage": 100}, default="full"),
    "list": terms(none=[], some=["a"], default="some"),
    "context": terms(
        internal="INTERNAL",
        external="EXTERNAL",
        default="external",
        targeting={
            "if": [
                {
                    "and": [
                        {"==": [{"var": "fn"}, "Sulisław"]},
                        {"==": [{"var": "age"}, 29]},
                        {"==": [{"var": "customer"}, False]},
                    ]
                },
                "internal",
                None,
            ]
        },
    ),
    "unset": terms(on=True, off=False, default=None),
    "disabled": FlagTerms(
        type="boolean", variants={"on": True}, default_variant="on", state="DISABLED"
    ),
    "astray": terms(on=True, off=False, targeting={"if": [True, "gone"]}),
    "weird": terms(on=True, off=False, targeting={"<": [{"var": "age"}, {"var": "fn"}]}),
    "starts": terms(yes="y", no="n", targeting={"if": [{"starts_with": [{"var": "fn"}, "Su"]},
        "yes", "no"]}),
    "ends": terms(yes="y", no="n", targeting={"if": [{"ends_with": [{"var": "fn"}, "law"]},
        "yes", "no"]}),
    "within": terms(yes="y", no="n", targeting={"if": [{"in": [{"var": "fn"}, ["Ann", "Bob"]]},
        "yes", "no"]}),
    "semver": terms(yes="y", no="n", targeting={"if": [{"sem_ver": [{"var": "version"}, ">=",
        "1.10.0"]}, "yes", "no"]}),
}  # fmt: skip
WHO = {"fn": "Sulisław", "age": 29, "customer": False, "version": "1.9.3"}


def ask(key: str, default: Any, who: Any = None, *, of: OpenFeatureFlags | None = None) -> Any:
    kind = asked_type(default)
    assert kind is not None
    query = FlagQuery(
        key=key,
        type=kind,
        default=default,
        flags=FLAGS,
        targeting_key="acme/ann",
        attributes=who or {},
    )
    return asyncio.run((of or source()).evaluate(query))


# Flag, default, context; then value, variant, reason and error: the scenarios of OpenFeature's
# evaluation suite, and flagd's of its operators.
SEMANTICS: list[tuple[str, Any, Any, Any, str | None, str, str]] = [
    ("boolean", False, None, True, "on", "STATIC", ""),
    ("string", "bye", None, "hi", "greeting", "STATIC", ""),
    ("integer", 1, None, 10, "ten", "STATIC", ""),
    ("float", 0.1, None, 0.5, "half", "STATIC", ""),
    ("integer", 0.5, None, 10.0, "ten", "STATIC", ""),
    ("object", {}, None, {"title": "Check", "imagesPerPage": 100}, "full", "STATIC", ""),
    ("list", [], None, ["a"], "some", "STATIC", ""),
    ("context", "?", WHO, "INTERNAL", "internal", "TARGETING_MATCH", ""),
    ("context", "?", {}, "EXTERNAL", "external", "DEFAULT", ""),
    ("missing", "uh-oh", None, "uh-oh", None, "ERROR", "FLAG_NOT_FOUND"),
    ("string", 13, None, 13, None, "ERROR", "TYPE_MISMATCH"),
    ("boolean", 1, None, 1, None, "ERROR", "TYPE_MISMATCH"),
    ("integer", True, None, True, None, "ERROR", "TYPE_MISMATCH"),
    ("float", 1, None, 1, None, "ERROR", "TYPE_MISMATCH"),
    ("object", "x", None, "x", None, "ERROR", "TYPE_MISMATCH"),
    ("context", True, WHO, True, None, "ERROR", "TYPE_MISMATCH"),
    ("unset", True, None, True, None, "DEFAULT", ""),
    ("disabled", False, None, False, None, "DISABLED", ""),
    ("astray", True, None, True, None, "ERROR", "GENERAL"),
    ("weird", True, WHO, True, None, "ERROR", "GENERAL"),
    ("starts", "?", WHO, "y", "yes", "TARGETING_MATCH", ""),
    ("ends", "?", WHO, "n", "no", "TARGETING_MATCH", ""),
    ("within", "?", {"fn": "Bob"}, "y", "yes", "TARGETING_MATCH", ""),
    ("within", "?", WHO, "n", "no", "TARGETING_MATCH", ""),
    ("semver", "?", WHO, "n", "no", "TARGETING_MATCH", ""),
    ("semver", "?", {"version": "v1.11"}, "y", "yes", "TARGETING_MATCH", ""),
]


@pytest.mark.parametrize(
    ("key", "default", "who", "value", "variant", "reason", "error"), SEMANTICS
)
def test_evaluation_means_what_openfeature_says(
    key: str, default: Any, who: Any, value: Any, variant: str | None, reason: str, error: str
) -> None:
    found = ask(key, default, who)
    assert (found.key, found.provider) == (key, "fairlead")
    assert (found.value, found.variant, found.reason, found.error_code) == (
        value,
        variant,
        reason,
        error,
    )
    assert type(found.value) is type(value)
    assert bool(found.error_message) == bool(error)


# What flagd's evaluator of 2.0 says: murmur3 of the canonical CBOR of flag key and targeting key.
def share(key: str, weight: int, *, by: Any = None) -> str:
    rule = {"fractional": [*([by] if by else []), ["on", weight], ["off", 100 - weight]]}
    flags = {"new": terms(on=True, off=False, targeting=rule)}
    query = FlagQuery(
        key="new", type="boolean", default=False, flags=flags, targeting_key=key, attributes=WHO
    )
    details: FlagDetails[bool] = asyncio.run(SHARES.evaluate(query))
    assert details.reason == "TARGETING_MATCH"
    return str(details.variant)


SHARES = OpenFeatureFlags("shares")


@settings(max_examples=20, deadline=None)
@given(st.text(min_size=1, max_size=20), st.integers(1, 98))
def test_a_share_is_sticky_and_only_grows_with_its_weight(key: str, weight: int) -> None:
    first = share(key, weight)
    assert share(key, weight) == first
    if first == "on":
        assert share(key, weight + 1) == "on"
    assert (share(key, 0), share(key, 100)) == ("off", "on")


def test_a_share_is_about_its_weight_and_is_drawn_by_what_the_rule_names() -> None:
    drawn = Counter(share(f"acme/user-{number}", 20) for number in range(400))
    assert 50 <= drawn["on"] <= 110
    by = {"cat": [{"var": "$flagd.flagKey"}, {"var": "fn"}]}
    assert len({share(f"acme/user-{number}", 50, by=by) for number in range(20)}) == 1


# ---------------------------------------------------------------------------- hooks, and no library


class Noting(Hook):
    """A hook that writes down when it is called, and adds to the context."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before(self, hook_context: Any, hints: Any) -> Any:
        self.seen.append(f"before {hook_context.client_metadata.domain[:13]}")
        context = hook_context.evaluation_context
        context.attributes = {**context.attributes, "fn": "Bob"}
        return context

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.seen.append(f"after {details.variant}")

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        self.seen.append(f"error {type(exception).__name__}")

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.seen.append("finally")


def test_hooks_are_called_and_may_change_what_rules_see() -> None:
    hook = Noting()
    api.add_hooks([hook])
    assert ask("within", "?", WHO).value == "y"
    assert ask("missing", False).error_code == "FLAG_NOT_FOUND"
    assert hook.seen == [
        "before fairlead:app-",
        "after yes",
        "finally",
        "before fairlead:app-",
        "error FlagNotFoundError",
        "finally",
    ]


class Wild(Hook):
    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        raise ValueError("a hook went wrong")

    def before(self, hook_context: Any, hints: Any) -> Any:
        raise ValueError("a hook went wrong")


def test_a_hook_that_raises_gives_the_default() -> None:
    api.add_hooks([Wild()])
    found = ask("boolean", False)
    assert (found.value, found.error_code) == (False, "GENERAL")


def test_without_the_libraries_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "find_spec", lambda _: None)
    with pytest.raises(FlagsNotInstalled) as raised:
        ask("boolean", False)
    assert "fairlead[flags]" in raised.value.hint


def test_one_provider_serves_runs_of_two_releases_at_the_same_time() -> None:
    own = source()

    async def both() -> list[Any]:
        queries = [
            FlagQuery(
                key="f", type="string", default="", flags={"f": terms(only=name, default="only")}
            )
            for name in ("old", "new") * 10
        ]
        return await asyncio.gather(*map(own.evaluate, queries))

    # More of them than threads: the rest waits.
    assert [found.value for found in asyncio.run(both())] == ["old", "new"] * 10


def test_the_provider_is_one_of_openfeature() -> None:
    from fairlead.adapters.openfeature.provider import ReleaseProvider

    assert isinstance(ReleaseProvider(), AbstractProvider)
    assert ReleaseProvider().get_metadata().name == "fairlead"

"""What an app declares as flags: each mistake is named before a release is made."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fairlead.core.errors import InvalidFlag
from fairlead.core.flags import FlagTerms
from fairlead.delivery.flags import OPERATORS, app_flags, workflow_flags
from fairlead.delivery.resolve import bundle_digest, resolve
from fairlead.ports.app_files import AppFiles
from tests.unit.delivery.test_resolve import APP, FILES

FLAG: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"warm": "w", "plain": "p"},
    "defaultVariant": "plain",
    "targeting": {"fractional": [["warm", 10], ["plain", 90]]},
}


def files_of(*texts: str, code: dict[str, bytes] | None = None) -> AppFiles:
    named = {f"flags/{number}.json": text.encode() for number, text in enumerate(texts)}
    return AppFiles(code=code or {}, bundle=named)


def file_of(**flags: Any) -> str:
    return json.dumps({"$schema": "x", "flags": flags, "metadata": {"owner": "us"}})


def only(**change: Any) -> str:
    """Return a file with one flag; a part that is None is left out."""
    given = {key: part for key, part in {**FLAG, **change}.items() if part is not None}
    return file_of(tone=given)


@pytest.mark.parametrize(
    ("value", "kind", "variant"),
    [
        (True, "boolean", "on"),
        (False, "boolean", "off"),
        ("warm", "string", "value"),
        (3, "number", "value"),
        (2**63 - 1, "number", "value"),
        (-(2**63), "number", "value"),
        (0.5, "number", "value"),
        ({"size": 3}, "object", "value"),
        (["a", "b"], "object", "value"),
    ],
)
def test_a_value_in_the_table_is_a_flag_with_one_variant(
    value: Any, kind: Any, variant: str
) -> None:
    found = app_flags(files_of(), {"f": value})
    assert found == {"f": FlagTerms(type=kind, variants={variant: value}, default_variant=variant)}


def test_a_file_holds_flags_in_flagd_s_format() -> None:
    found = app_flags(files_of(only(), file_of(other={"variants": {"a": 1}})), {})
    assert found == {
        "other": FlagTerms(type="number", variants={"a": 1}, default_variant=None),
        "tone": FlagTerms(
            type="string",
            variants=FLAG["variants"],
            default_variant="plain",
            targeting=FLAG["targeting"],
        ),
    }
    assert found["tone"].as_flagd() == FLAG


def test_a_rule_that_several_flags_share_stands_in_its_place() -> None:
    shared = {"$evaluators": {"ours": {"in": ["@us", {"var": "user"}]}}}
    rule = {"if": [{"$ref": "ours"}, "warm", "plain"]}
    text = json.dumps({**shared, "flags": {"tone": {**FLAG, "targeting": rule}}})
    assert app_flags(files_of(text), {})["tone"].targeting == {
        "if": [{"in": ["@us", {"var": "user"}]}, "warm", "plain"]
    }


def test_a_workflow_s_own_value_wins_over_the_app_s_flag() -> None:
    shared = app_flags(files_of(only()), {"new": False})
    found = workflow_flags(shared, {"tone": "loud", "mine": 1}, "workflow.ask.flags")
    assert [found[key].variants for key in ("mine", "new", "tone")] == [
        {"value": 1},
        {"off": False},
        {"value": "loud"},
    ]
    assert found["tone"].targeting == {}


def test_a_release_holds_each_workflow_s_flags_and_a_change_is_a_change_of_the_bundle_only() -> (
    None
):
    flags = {"flags": {"new": False}, "workflow": {"ask": {"flags": {"mine": "x"}}}}
    manifest = resolve(APP, FILES, flags)
    assert sorted(manifest.workflows["ask"].flags) == ["mine", "new"]
    changed = resolve(APP, FILES, {**flags, "flags": {"new": True}})
    assert changed.code_digest == manifest.code_digest
    assert changed.bundle_digest != manifest.bundle_digest
    with_file = replace(FILES, bundle={**FILES.bundle, "flags/a.json": only().encode()})
    assert bundle_digest(with_file, flags) != manifest.bundle_digest


BAD_TABLES: list[tuple[Any, str]] = [
    (True, "flags must be a table"),
    ({"when": date(2026, 1, 1)}, "flags.when is no bool, text, number, table or list"),
    ({"deep": {"when": date(2026, 1, 1)}}, "flags.deep is no bool"),
    ({"n": float("nan")}, "flags.n is no bool"),
    ({"n": 2**63}, "flags: flag n has a whole number beyond 64 bits"),
    ({"n": {"deep": [-(2**63) - 1]}}, "flag n has a whole number beyond 64 bits"),
    ({"k" * 201: True}, "a flag's key has 1 to 200 characters"),
    ({" k": True}, "a flag's key has 1 to 200 characters"),
    ({"long": "x" * 100_001}, "flag long has more than 100000 characters"),
    ({f"f{number}": True for number in range(201)}, "flags has 201 flags; 200 are possible"),
]


@pytest.mark.parametrize(("table", "says"), BAD_TABLES)
def test_a_table_that_is_wrong_is_refused(table: Any, says: str) -> None:
    with pytest.raises(InvalidFlag, match=says):
        app_flags(files_of(), table)


DEEP: Any = {"var": "x"}
for _ in range(40):
    DEEP = {"!": [DEEP]}

BAD_FILES = [
    ("{", "flags/0.json is not understood"),
    ("[" * 100_000, "flags/0.json is not understood"),
    ('{"flags": {"a": 1, "a": 2}}', "the same key twice"),
    ('{"flags": {"a": {"variants": {"x": NaN}}}}', "NaN is no number"),
    ("[]", "must be an object"),
    ("{}", 'needs "flags"'),
    ('{"flags": {}, "flag": {}}', "unknown key 'flag'"),
    (file_of(tone=[]), "flags/0.json, flag tone must be an object"),
    (only(default="plain"), "unknown key 'default'"),
    (only(state="ON"), "state must be ENABLED or DISABLED"),
    (only(variants=None), "needs 1 to 50 variants"),
    (only(variants={}), "needs 1 to 50 variants"),
    (only(variants={str(n): n for n in range(51)}), "needs 1 to 50 variants"),
    (only(variants={"warm": "w", "plain": 1}), "values of one type"),
    (only(variants={"warm": "w", "plain": None}), "values of one type"),
    (only(defaultVariant="cold"), "defaultVariant 'cold' is no variant"),
    (only(defaultVariant=True), "defaultVariant True is no variant"),
    (only(targeting=["warm"]), "targeting must be an object"),
    (only(targeting={"fractional": 5}), "fractional needs shares"),
    (only(targeting={"if": [{"$ref": ["x"]}]}), r"no \$evaluators has \['x'\]"),
    (only(variants={"plain": "1e999"}).replace('"1e999"', "1e999"), "1e999 is too large a number"),
    (only(targeting={"iff": []}), "there is no operator 'iff'"),
    (only(targeting={"log": "x"}), "there is no operator 'log'"),
    (only(targeting={"if": [], "or": []}), "one operator, and one has if, or"),
    (only(targeting={"fractional": [["cold", 1]]}), "fractional names 'cold'"),
    (only(targeting={"fractional": [["warm", 0.5]]}), "weight of 'warm' must be a whole"),
    (only(targeting={"fractional": [["warm", -1]]}), "weight of 'warm' must be a whole"),
    (only(targeting={"fractional": {"var": "user"}}), "fractional needs shares"),
    (only(targeting={"if": [{"var": "a"}, "warmm"]}), "returns 'warmm', .* mean 'warm'"),
    (only(targeting={"if": [{"var": "a"}, "warm", {"if": [1, "warm", 3]}]}), "returns '3', which"),
    (only(targeting={"==": [{"var": "a"}, 1]}), "flag tone: its rule returns 'true', which is no"),
    (only(targeting={"or": [{"var": "a"}, "cold"]}), "returns 'cold', which is no variant"),
    (only(targeting={"$ref": "gone"}), "no \\$evaluators has 'gone'"),
    (only(targeting=DEEP), "more than 36 levels"),
    (
        json.dumps(
            {
                "$evaluators": {"a": {"!": {"$ref": "a"}}},
                "flags": json.loads(only(targeting={"$ref": "a"}))["flags"],
            }
        ),
        "deeper than 32 levels",
    ),
]


@pytest.mark.parametrize(("text", "says"), BAD_FILES)
def test_a_file_that_is_wrong_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidFlag, match=says):
        app_flags(files_of(text), {})


def test_invariant_11_few_references_make_no_huge_rule() -> None:
    names = "abcdefgh"
    shared = {one: {"or": [{"$ref": two}] * 30} for one, two in itertools.pairwise(names)}
    flag = json.loads(only(targeting={"or": [{"$ref": "a"}]})) | {"$evaluators": shared}
    flag["$evaluators"]["h"] = {"var": "user"}
    with pytest.raises(InvalidFlag, match="its rules are larger than 100000 parts"):
        app_flags(files_of(json.dumps(flag)), {})


def test_a_flag_is_declared_once_on_each_level() -> None:
    with pytest.raises(InvalidFlag, match=r"flags/0\.json declares flag tone"):
        app_flags(files_of(only()), {"tone": "x"})
    with pytest.raises(InvalidFlag, match=r"flags/1\.json declares flag tone"):
        app_flags(files_of(only(), only()), {})


def test_a_workflow_s_value_has_the_type_of_the_app_s_flag() -> None:
    shared = app_flags(files_of(only()), {})
    with pytest.raises(InvalidFlag, match="tone is a boolean, and the app's flag is a string"):
        workflow_flags(shared, {"tone": True}, "workflow.ask.flags")


def test_every_operator_is_one_that_the_evaluator_knows() -> None:
    from json_logic import jsonLogic
    from openfeature.contrib.tools.flagd.core.targeting.targeting import (
        OPERATORS as KNOWN,  # type: ignore[attr-defined]
    )

    for name in sorted(OPERATORS - set(KNOWN)):
        # Those that the library knows outside of its table: another name raises.
        jsonLogic({name: [[], {"var": ""}, 0]}, {}, KNOWN)
    with pytest.raises(ReferenceError):
        jsonLogic({"nonsense": []}, {}, KNOWN)


@pytest.mark.parametrize(
    ("rule", "variants"),
    [
        ({"if": [{"var": "a"}, "on", {"fractional": [["on", 1], ["off", 1]]}]}, "on off"),
        ({"if": [{"var": "a"}, "on", {"var": "b"}, None, {"var": "c"}]}, "on off"),
        ({"in": ["x", {"var": "a"}]}, "true false"),
        ({"if": [{"var": "a"}, True, 1]}, "true 1"),
        ({"cat": ["o", {"var": "a"}]}, "on off"),
        ({"and": [{"var": "a"}, "on"]}, "on off"),
    ],
)
def test_a_rule_that_returns_variants_or_what_nobody_knows_is_taken(
    rule: dict[str, Any], variants: str
) -> None:
    named = {name: name for name in variants.split()}
    text = only(targeting=rule, variants=named, defaultVariant=None)
    assert app_flags(files_of(text), {})["tone"].targeting == rule

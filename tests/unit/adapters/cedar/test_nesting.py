"""No text of a policy overflows a stack: what nests too deep is refused before Cedar reads it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.adapters.cedar.nesting import (
    BRACKETS_MAX,
    DEPTH_MAX,
    OPERATORS_MAX,
    TEXT_CHARS_MAX,
    depth,
    too_deep,
)
from fairlead.core.errors import InvalidConfig

A = "context.a"
EQUAL = 'context.arguments.country == "NL"'


def rule(condition: str) -> str:
    return f'@id("x")\npermit (principal, action, resource)\nwhen {{ {condition} }};\n'


def refused(text: str) -> str:
    with pytest.raises(InvalidConfig) as error:
        compile_policies({"policies/p.cedar": text})
    assert error.value.code == "FL-005"
    assert "split the rule" in error.value.message
    return error.value.message


DEEP = {
    "parentheses": "(" * 100_000 + A + ")" * 100_000,
    "sets": "[" * 100_000 + "]" * 100_000,
    "records": "{a: " * 1000 + A + "}" * 1000,
    "and": " && ".join([A] * 20_000),
    "or": " || ".join([A] * 20_000),
    "plus": "1" + " + 1" * 1000,
    "minus": "1" + " - 1" * 1000,
    "times": "1" + " * 1" * 1000,
    "a path": "context" + ".a" * 20_000,
    "a path of texts": "context" + '["a"]' * 20_000,
    "calls": A + ".contains(1)" * 1000,
    "if": f"if {A} then true else " * 1000 + A,
    "if in if": "if " * 1000 + A + " then true else false" * 1000,
    "negated brackets": "!(" * 1000 + A + ")" * 1000,
    "functions": "decimal(" * 1000 + ")" * 1000,
    "clauses": f"true }} when {{ {A} " * 1000,
    "behind what closes nothing": ")" * 50 + "(" * 1000,
    "behind a semicolon": "(; " * 1000,
    "behind a comment": "// it's \"so\r" + "(" * 1000,
}


@pytest.mark.parametrize("condition", DEEP.values(), ids=DEEP.keys())
def test_what_would_overflow_a_stack_is_refused_with_its_file_and_line(condition: str) -> None:
    assert refused(f"// {A}\n{rule(condition)}").startswith("policies/p.cedar, line 4: ")


def test_a_bracket_in_a_text_or_in_a_comment_is_none() -> None:
    many = "(" * 1000
    assert too_deep(rule(f'context.a == "{many}\\"{many}" // {many} && {many}')) is None
    assert too_deep(rule(f'context.a == "\\\\" && {many}')) is not None
    assert too_deep(f'"{many}') is None  # Cedar refuses it at the quotation mark


def test_the_bounds_are_exact_and_each_rule_has_its_own() -> None:
    fits = "(" * (BRACKETS_MAX - 1) + A + ")" * (BRACKETS_MAX - 1)
    assert too_deep(rule(fits) * 50) is None
    assert too_deep(rule(f"({fits})")) is not None
    # `when` counts for one.
    assert too_deep(rule(" || ".join(["a"] * OPERATORS_MAX)) * 50) is None
    assert too_deep(rule(" || ".join(["a"] * (OPERATORS_MAX + 1)))) is not None
    assert too_deep(" " * TEXT_CHARS_MAX) is None
    assert too_deep(" " * (TEXT_CHARS_MAX + 1)) is not None


def test_what_stands_side_by_side_is_not_deep() -> None:
    wide = ", ".join([f"[{A}, -1, {A} && {A}]"] * 500)
    compile_policies({"p": rule(f"[{wide}].contains({A})")})


@pytest.mark.parametrize("operator", ["||", "&&"])
def test_a_rule_that_is_deeper_than_cedars_json_form_is_refused_by_its_name(operator: str) -> None:
    compile_policies({"p": rule(f" {operator} ".join([EQUAL] * 50))})
    for count in (60, 90):
        assert "rule x nests too deep" in refused(rule(f" {operator} ".join([EQUAL] * count)))


def test_clauses_that_are_joined_count_together() -> None:
    assert "rule x nests too deep" in refused(rule(f"{A} }} when {{ {A} }} unless {{ " * 35 + A))


def test_what_is_read_is_checked_and_mutated_up_to_the_bound() -> None:
    longest = next(n for n in range(100, 1, -1) if depth_of(n) <= DEPTH_MAX)
    authorizer = compile_policies({"p": rule(" || ".join(["!context.egress"] * longest))})
    assert not any("too deep" in finding for finding in authorizer.findings({}))
    assert list(authorizer.mutants())


def depth_of(terms: int) -> int:
    node: dict[str, object] = {"!": {"arg": {".": {"left": {"Var": "context"}, "attr": "egress"}}}}
    for _ in range(terms - 1):
        node = {"||": {"left": node, "right": {"Value": True}}}
    return depth(node)


def test_what_is_too_deep_only_for_the_check_is_a_finding() -> None:
    many = ", ".join(["decimal(context.arguments.a)"] * 200)
    authorizer = compile_policies({"p": rule(f"[{many}].contains(decimal(context.arguments.b))")})
    assert any("nests too deep to be checked" in finding for finding in authorizer.findings({}))


# What Hypothesis thinks of is compiled and asked on a thread with a small stack, in a process that
# may die.
CHILD = """
import json, sys, threading
from fairlead.adapters.cedar.authorizer import compile_policies
from fairlead.core.errors import InvalidConfig
from fairlead.core.policy import Query

QUERY = Query(user="u", tenant="t", action="call", resource="x", context={"a": True})

def read():
    for text in json.load(sys.stdin):
        try:
            compile_policies({"p": text}).decide(QUERY)
        except InvalidConfig:
            pass
    print("alive")

threading.stack_size(512 * 1024)
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""
COUNTS = st.integers(1, 30) | st.sampled_from([60, 95, 1000, 20_000])


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return conditions with others inside, many times over."""
    pairs = [("(", ")"), ("[", "]"), ("{a: ", "}"), ("!(", ")"), ("-(", ")"), ("decimal(", ")")]
    pairs += [("if context.a then true else ", ""), ("if ", " then 1 else 2"), ("", ".a")]
    pairs += [("", '["a"]'), ("", ".contains(1)"), ("context.a && ", ""), ("", " || context.a")]
    pairs += [("(context.a + ", ")"), ("1 - ", ""), ("", " * 2"), ("true } when { ", "")]

    def around(inside: str, pair: tuple[str, str], count: int) -> str:
        return pair[0] * count + inside + pair[1] * count

    return st.builds(around, inner, st.sampled_from(pairs), COUNTS)


TOKENS = ["(", ")", "[", "]", "{", "}", ";", ",", '"', "\\", "//", "\r", "\n", "!", "-", "&&", "||"]
NOISE = st.lists(st.tuples(st.sampled_from(TOKENS), COUNTS), max_size=8).map(
    lambda parts: "".join(token * count for token, count in parts)
)
CONDITIONS = st.recursive(st.just(A) | NOISE, wrapped, max_leaves=4)


@settings(max_examples=6, deadline=None)
@given(st.lists(CONDITIONS.map(rule), min_size=40, max_size=80))
def test_random_texts_never_end_a_process(texts: list[str]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(texts), capture_output=True, text=True
    )
    assert (child.returncode, child.stdout) == (0, "alive\n"), child.stderr

"""`fairlead check` runs guardrail tests, and `--mutate` says which mistakes they do not notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli, ready_app

pytestmark = pytest.mark.acceptance

TESTS = """
cases:
  - name: the handbook may be searched
    call: {collection: handbook}
    expect: allow
    rules: [everybody-may-search-the-handbook]
  - name: answers come from the model
    call: {model: "fairlead:extractive"}
    expect: allow
    rules: [answers-come-from-the-extractive-model]
"""
TOOL = """
  - name: abbreviations may be spelled out
    call: {tool: spell_out, arguments: {text: PTO}}
    expect: allow
    rules: [abbreviations-may-be-spelled-out]
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return ready_app(tmp_path_factory.mktemp("guardrails") / "handbook")


def write(cli: Cli, text: str) -> Path:
    path = cli.folder / "guardrails" / "answer.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_complete_tests_notice_every_mistake(cli: Cli) -> None:
    write(cli, TESTS + TOOL)
    found = cli.json("check", "--mutate")
    assert found["passed"]
    assert found["mutation"]["score"] == 1.0
    assert found["mutation"]["mutants"] >= 6
    assert found["mutation"]["survivors"] == []
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["decision"]["summary"] == "3 guardrail tests"
    assert by_name["digest"]["conclusion"] == "success"


@pytest.mark.soak
def test_a_missing_test_is_reported(cli: Cli) -> None:
    write(cli, TESTS)
    assert cli.json("check")["passed"]
    found = cli.json("check", "--mutate", status=1)
    assert not found["passed"]
    assert found["mutation"]["score"] < 0.95
    assert {one["where"] for one in found["mutation"]["survivors"]} == {
        "rule abbreviations-may-be-spelled-out"
    }
    said = cli("check", "--mutate", status=1).stdout
    assert "no test notices rule abbreviations-may-be-spelled-out: left out" in said


def test_a_wrong_decision_and_a_misspelt_attribute_fail_the_check(cli: Cli) -> None:
    path = write(cli, TESTS.replace("expect: allow", "expect: deny", 1))
    said = cli("check", status=1).stdout
    assert "case the handbook may be searched" in " ".join(said.split())
    path.write_text(TESTS + TOOL, encoding="utf-8")
    policy = cli.folder / "policies" / "more.cedar"
    policy.write_text(
        '@id("odd") forbid (principal, action == Action::"call", resource == Tool::"spell_out")\n'
        'when { context.arguments.txt == "x" };\n',
        encoding="utf-8",
    )
    found = cli.json("check", status=1)
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["policy"]["findings"] == [
        "rule odd: there is no context.arguments.txt when the action is call"
    ]
    policy.unlink()


def test_a_file_that_is_not_understood_is_named(cli: Cli) -> None:
    path = write(cli, "cases: [{call: {tool: spell_out}, expect: allowed}]")
    said = cli.refuses("FL-005", "check")
    assert "guardrails/answer.yaml, case 1: expect is" in said
    path.unlink()

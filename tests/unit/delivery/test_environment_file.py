"""The file with an environment's rules: read as it is meant, or refused with its name."""

from __future__ import annotations

import pytest

from fairlead.core.environments import ApprovalRules, EnvironmentRules, Freeze
from fairlead.core.errors import InvalidEnvironment
from fairlead.delivery.environment_file import read_environment

WHOLE = """
tier = "production"
gates = ["check", "replay", "rollback_drill", "approval"]
[evidence_s]
replay = 86400
[approval]
role = "operator"
count = 2
four_eyes = false
[[freeze]]
weekly = "fri 16:00 - mon 08:00"
zone = "Europe/Vienna"
reason = "nobody is there"
[[freeze]]
from = 2026-12-20
to = 2027-01-03
reason = "holidays"
[[freeze]]
from = 2026-11-27T18:00:00
to = 2026-11-28T06:00:00
reason = "the sale"
"""


def test_a_whole_file() -> None:
    assert read_environment(WHOLE, "f.toml") == EnvironmentRules(
        tier="production",
        gates=("check", "replay", "rollback_drill", "approval"),
        evidence_s={"replay": 86_400.0},
        approval=ApprovalRules(role="operator", count=2, four_eyes=False),
        freezes=(
            Freeze(reason="nobody is there", zone="Europe/Vienna", weekly="fri 16:00 - mon 08:00"),
            # The last day counts whole.
            Freeze(reason="holidays", begins="2026-12-20T00:00:00", ends="2027-01-04T00:00:00"),
            Freeze(reason="the sale", begins="2026-11-27T18:00:00", ends="2026-11-28T06:00:00"),
        ),
    )


def test_an_empty_file_is_the_default() -> None:
    assert read_environment("", "f.toml") == EnvironmentRules()


FREEZE = '[[freeze]]\nreason = "r"\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("tier = ", "no TOML"),
        (f"tier = {'9' * 5000}", "no TOML"),
        ("teir = 'x'", "unknown key 'teir'"),
        ("tier = 1", "must be text"),
        ("gates = 'check'", "list of names"),
        ("gates = [1]", "must be text"),
        ("gates = ['luck']", "no gate 'luck'"),
        ("evidence_s = 5", "must be a table"),
        ("evidence_s = {check = true}", "number of seconds"),
        ("evidence_s = {check = 'x'}", "number of seconds"),
        ("evidence_s = {check = nan}", "holds from"),
        ("approval = 1", "must be a table"),
        ("approval = {who = 'x'}", "unknown key 'who'"),
        ("approval = {count = 1.5}", "whole number"),
        ("approval = {count = true}", "whole number"),
        ("approval = {four_eyes = 'no'}", "true or false"),
        ("approval = {role = 'viewer'}", "role is"),
        ("freeze = {reason = 'r'}", "list of tables"),
        ("freeze = [1]", "must be a table"),
        (FREEZE, "either"),
        (FREEZE + "weekly = 'always'", "such as"),
        (FREEZE + "weekly = 'fri 16:00 - mon 08:00'\nzone = 'Mars/Base'", "no time zone"),
        (FREEZE + "weekly = 'fri 16:00 - mon 08:00'\nzone = '../etc'", "no time zone"),
        (FREEZE + "from = 2026-12-20", "freeze.to must be a date"),
        (FREEZE + "from = '2026-12-20'\nto = 2026-12-21", "freeze.from must be a date"),
        (FREEZE + "from = 2026-12-20T00:00:00Z\nto = 2026-12-21", "zone of its own"),
        (FREEZE + "from = 2026-12-20\nto = 9999-12-31", "no date that anybody"),
        (FREEZE + "from = 2026-12-20\nto = 2026-12-01", "ends before it begins"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, what: str) -> None:
    with pytest.raises(InvalidEnvironment, match=what) as refused:
        read_environment(text, "f.toml")
    assert "f.toml" in refused.value.message

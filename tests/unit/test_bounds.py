"""Everything has a bound, and its default is a number."""

from __future__ import annotations

import ast
import inspect
import math
import re
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import fairlead
from fairlead import Limits
from fairlead.core.breaker import BreakerTerms
from fairlead.core.rates import DEFAULT_RATE
from fairlead.core.release import RecallTerms
from fairlead.operations import PolicyContext
from fairlead.runtime.admission import Admission
from fairlead.runtime.worker import Lease
from fairlead.settings import SETTINGS, Settings, load_settings

SOURCE = Path(inspect.getfile(fairlead)).parent
NUMBERS = frozenset(field.name for field in fields(Settings) if field.type in ("int", "float"))
BOUNDS = [setting for setting in SETTINGS if setting.key.partition(".")[2] in NUMBERS]


def finite(value: Any) -> bool:
    """Whether a value is a number above 0 with an end."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


@pytest.mark.parametrize("field", fields(Limits), ids=lambda field: field.name)
def test_invariant_11_each_limit_of_a_run_has_a_number_as_its_default(field: Any) -> None:
    assert field.default is not MISSING
    assert finite(field.default)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("attempts", 0),
        ("repeats", 0),
        ("repeats", 101),
        ("cost_usd", -1),
        ("cost_usd", math.inf),
        ("cost_usd", math.nan),
        ("wall_time", timedelta(0)),
        ("call_timeout", timedelta(seconds=-1)),
    ],
)
def test_invariant_11_a_limit_cannot_be_taken_away(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_invariant_11_each_setting_that_bounds_has_a_number_as_its_default(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    settings = load_settings(tmp_path, {})
    assert len(BOUNDS) == len(NUMBERS) > 3
    for setting in BOUNDS:
        assert finite(float(setting.default)), setting.key
        assert finite(getattr(settings, setting.key.partition(".")[2])), setting.key


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "unlimited"])
def test_invariant_11_a_setting_cannot_be_unlimited(tmp_path: Path, value: str) -> None:
    (tmp_path / "fairlead.toml").write_text("")
    for setting in BOUNDS:
        with pytest.raises(fairlead.FairleadError) as error:
            load_settings(tmp_path, {setting.env: value})
        assert error.value.code == "FL-005"


@pytest.mark.parametrize("field", fields(BreakerTerms), ids=lambda field: field.name)
def test_invariant_11_each_number_of_a_breaker_has_a_default(field: Any) -> None:
    assert finite(field.default)


def test_invariant_11_what_has_no_rate_has_the_default_rate() -> None:
    assert finite(DEFAULT_RATE.calls)
    assert finite(DEFAULT_RATE.per_s)


def test_invariant_11_what_is_retrieved_waited_for_and_taken_over_is_bounded() -> None:
    assert finite(RecallTerms(collection="c").top_k)
    with pytest.raises(ValueError, match="top_k"):
        RecallTerms(collection="c", top_k=101)
    timeout = next(field for field in fields(PolicyContext) if field.name == "timeout_s")
    assert finite(timeout.default)
    # No default at all is a bound too: whoever waits or takes over says how long and how often.
    assert inspect.signature(Admission.wait).parameters["timeout_s"].default is inspect._empty
    said = {field.name for field in fields(Lease) if field.default is MISSING}
    assert said == {"ttl_s", "drain_s", "takeovers", "stall_s", "clock"}


BOUND = re.compile(r"(^|_)(MAX|S|S_MAX|BYTES|LIMIT|TIMEOUT|DEPTH|PATIENCE)(_|$)")


def constants() -> dict[str, Any]:
    """Return each constant of the source whose name says that it bounds, by its place."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign) and node.value:
                targets = [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and BOUND.search(target.id):
                    found[f"{path.relative_to(SOURCE).as_posix()}:{target.id}"] = node.value
    return found


def test_invariant_11_each_constant_that_bounds_is_a_number() -> None:
    found = constants()
    assert len(found) > 10
    for place, value in found.items():
        try:
            number = eval(compile(ast.Expression(value), place, "eval"), {"__builtins__": {}})
        except NameError:
            continue  # in terms of another one, which is looked at by itself
        if isinstance(number, int | float):
            assert finite(number), place

"""Where flags are wired in: the gate, a release's making, and the command line's view."""

from __future__ import annotations

from pathlib import Path

import pytest

import fairlead as fl
from fairlead.adapters.openfeature import flags as adapter
from fairlead.bootstrap import make_gate, resolve_app
from fairlead.core.errors import FlagsNotInstalled, InvalidDeclaration
from fairlead.core.flags import FlagTerms
from fairlead.entrypoints.cli.views.release import flag_text
from fairlead.operations import load_settings
from tests.acceptance.support.flags_app import write_flags_app, write_provider_app


def forget(folder: Path) -> None:
    """Leave the one flag undeclared."""
    path = folder / "fairlead.toml"
    path.write_text(path.read_text().replace('[flags]\ntone = "plain"\n', ""))


def test_a_flag_that_is_not_declared_fails_the_gate_s_contract_check(tmp_path: Path) -> None:
    folder = write_flags_app(tmp_path / "app")
    gate, *_ = make_gate(load_settings(folder))
    assert gate._contract() == ("1 tool", [])
    forget(folder)
    gate, *_ = make_gate(load_settings(folder))
    found = gate._contract()[1]
    assert [finding.partition(" asks for ")[2][:11] for finding in found] == ["flag 'tone'"] * 3


def test_a_flag_that_no_code_asks_for_fails_it_as_well(tmp_path: Path) -> None:
    folder = write_flags_app(tmp_path / "app")
    path = folder / "fairlead.toml"
    path.write_text(path.read_text() + '\n[workflow.speak.flags]\ntome = "plain"\n')
    gate, *_ = make_gate(load_settings(folder))
    (found,) = gate._contract()[1]
    assert found.startswith("fairlead.toml: workflow.speak.flags has 'tome'")


def test_a_provider_of_the_app_s_own_need_not_be_declared(tmp_path: Path) -> None:
    folder = write_provider_app(tmp_path / "app")
    forget(folder)
    gate, *_ = make_gate(load_settings(folder))
    assert gate._contract() == ("1 tool", [])


def test_a_file_of_flags_is_read_from_the_folder(tmp_path: Path) -> None:
    folder = write_flags_app(tmp_path / "app")
    (folder / "flags").mkdir()
    (folder / "flags" / "new.json").write_text('{"flags": {"new": {"variants": {"a": 1}}}}')
    _, _, manifest = resolve_app(load_settings(folder))
    assert sorted(manifest.workflows["speak"].flags) == ["new", "tone"]


def test_an_app_with_flags_makes_no_release_without_the_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_flags_app(tmp_path / "app")
    monkeypatch.setattr(adapter, "find_spec", lambda _: None)
    with pytest.raises(FlagsNotInstalled):
        resolve_app(load_settings(folder))
    forget(folder)
    resolve_app(load_settings(folder))


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (FlagTerms(type="boolean", variants={"on": True}, default_variant="on"), "f = true"),
        (
            FlagTerms(
                type="string",
                variants={"a": "x", "b": "y"},
                default_variant="b",
                targeting={"var": "user"},
            ),
            'f = "y" (by rule, 2 variants)',
        ),
        (
            FlagTerms(type="number", variants={"a": 1}, default_variant=None),
            "f = the code's default",
        ),
        (
            FlagTerms(type="number", variants={"a": 1}, default_variant="a", state="DISABLED"),
            "f (disabled)",
        ),
    ],
)
def test_a_release_is_shown_with_its_flags(terms: FlagTerms, text: str) -> None:
    assert flag_text("f", terms) == text


def test_what_is_no_provider_is_refused_where_the_app_is_declared() -> None:
    with pytest.raises(InvalidDeclaration, match="flags is no provider of OpenFeature"):
        fl.App("app", workflows=[], flags={"tone": "plain"})

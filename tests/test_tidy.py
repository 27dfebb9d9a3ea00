"""The source keeps the rules of the house, and each rule can tell a good tree from a bad one."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tidy

ROOT = Path(__file__).resolve().parents[1]

# What only an adapter may load. The command line may load rich and typer for its help.
ENGINES = {
    "alembic",
    "bs4",
    "cedarpy",
    "dbos",
    "jsonschema_rs",
    "numpy",
    "openfeature",
    "opentelemetry",
    "pydantic",
    "pydantic_ai",
    "safetensors",
    "sqlalchemy",
    "tokenizers",
}


@pytest.fixture(scope="module")
def sources() -> list[tidy.Source]:
    """All files, so that each is read and parsed once."""
    return tidy.sources(ROOT)


def assert_none(found: list[str]) -> None:
    assert not found, "\n" + "\n".join(found)


# --------------------------------------------------------------------------------- this repository


@pytest.mark.parametrize("rule", tidy.FILE_RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps(
    rule: Callable[[tidy.Source], list[str]], sources: list[tidy.Source]
) -> None:
    assert_none([line for source in sources for line in rule(source)])


def test_public_names_are_sorted_documented_and_on_one_face() -> None:
    assert_none(tidy.untidy_faces())


def test_no_module_is_dead() -> None:
    assert_none(tidy.dead_modules(ROOT))


def test_no_text_names_a_registry_or_a_machine() -> None:
    assert_none(tidy.leaked_places(ROOT))


def test_decision_records_have_the_sections_of_madr() -> None:
    assert_none(tidy.poor_decision_records(ROOT))


def test_import_fairlead_loads_no_third_party() -> None:
    assert tidy.third_party_loaded_by("import fairlead") <= {"fairlead"}


def test_help_loads_no_engine() -> None:
    show_help = (
        "sys.argv = ['fairlead', '--help'];"
        " from fairlead.entrypoints.cli import main; sys.exit(main())"
    )
    assert not tidy.third_party_loaded_by(show_help) & ENGINES


# ---------------------------------------------------------------------------- the rules themselves

LONG_BODY = "    x = 1\n" * 70

BAD_FILES = [
    (tidy.long_file, "src/a.py", '"""A."""\n' * 401),
    (tidy.long_functions, "src/a.py", f"def f():\n{LONG_BODY}"),
    (tidy.many_parameters, "src/a.py", "def f(a, b, c, d, e): ..."),
    (tidy.many_parameters, "src/a.py", "def f(*, a, b, c, d, e, g, h): ..."),
    (tidy.many_parameters, "src/a.py", "def f(*, a, b, c, d, e, g, h): ...  # noqa: PLR0913"),
    (tidy.no_docstring, "src/a.py", "x = 1\n"),
    (tidy.banned_names, "src/fairlead/a.py", "print(1)"),
    (tidy.banned_names, "src/fairlead/a.py", "import pickle"),
    (tidy.banned_names, "examples/a.py", "from pickle import loads"),
    (tidy.banned_names, "tests/unit/test_a.py", "import time as t\nt.sleep(1)"),
    (tidy.banned_names, "tests/unit/test_a.py", "from time import sleep"),
    (tidy.banned_names, "src/fairlead/core/a.py", "import datetime\ndatetime.datetime.now()"),
    (tidy.banned_names, "src/fairlead/core/a.py", "open('x')"),
    (tidy.more_than_reexports, "src/fairlead/__init__.py", '"""A."""\ndef f(): ...'),
]
GOOD_FILES = [
    (tidy.long_file, "src/a.py", '"""A."""\n' * 400),
    (tidy.long_functions, "src/a.py", f'def f():\n    """A.\n\n    B.\n    """\n{LONG_BODY[:-10]}'),
    (tidy.many_parameters, "src/a.py", "class A:\n    def f(self, a, b, c, d): ..."),
    (tidy.many_parameters, "src/a.py", "def f(*, a, b, c, d, e, g, h): ...  # noqa: PLR0913 - why"),
    (tidy.many_parameters, "tests/test_a.py", "def test_a(a, b, c, d, e, f, g): ..."),
    (tidy.no_docstring, "src/a.py", '"""A."""\n'),
    (tidy.banned_names, "src/fairlead/entrypoints/a.py", "print(1)"),
    (tidy.banned_names, "src/fairlead/runtime/a.py", "console.print(1)"),
    (tidy.banned_names, "tests/acceptance/test_a.py", "import time\ntime.sleep(1)"),
    (
        tidy.more_than_reexports,
        "src/fairlead/__init__.py",
        '"""A."""\nfrom a import b\n__all__ = ["b"]',
    ),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD_FILES)
def test_rule_finds(rule: Callable[[tidy.Source], list[str]], path: str, text: str) -> None:
    assert len(rule(tidy.Source(path, text))) == 1


@pytest.mark.parametrize(("rule", "path", "text"), GOOD_FILES)
def test_rule_passes(rule: Callable[[tidy.Source], list[str]], path: str, text: str) -> None:
    assert rule(tidy.Source(path, text)) == []


def test_every_file_rule_is_tried() -> None:
    assert {rule for rule, _, _ in BAD_FILES} == set(tidy.FILE_RULES)


serial = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An importable package with a name of its own, because modules stay loaded between tests."""
    name = f"tidy_example_{next(serial)}"
    (tmp_path / "src" / name).mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    return name


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_dead_modules_are_found(tmp_path: Path, package: str) -> None:
    files = {
        "__init__.py": "",
        "core/__init__.py": "",
        "core/used.py": "",
        "core/dead.py": "",
        "entrypoints/__init__.py": "",
        "entrypoints/cli.py": f"import {package}.core.used",
        "adapters/__init__.py": "",
        "adapters/migrations/one.py": "",
        "testing/__init__.py": "",
        "testing/tried.py": "",
        "testing/untried.py": "",
    }
    write(tmp_path / "src" / package, files)
    write(tmp_path / "tests", {"test_a.py": f"from {package}.testing.tried import a"})
    dead = tidy.dead_modules(tmp_path, package)
    assert [line.partition(":")[0] for line in dead] == [
        f"src/{package}/core/dead.py",
        f"src/{package}/testing/untried.py",
    ]


def test_untidy_faces_are_found(tmp_path: Path, package: str) -> None:
    face = '''
from dataclasses import dataclass

__all__ = ["b", "A", "c"]

@dataclass
class A:
    x: int
    def close(self): ...
    def _hidden(self): ...

def b():
    """Two sentences. Here."""

def c():
    """Do c."""
'''
    write(tmp_path / "src" / package, {"__init__.py": face, "more.py": face.split("__all__")[0]})
    write(tmp_path / "src" / package, {"more.py": f"from {package} import c\n__all__ = ['c']\n"})
    found = tidy.untidy_faces([package, f"{package}.more"])
    assert found == [
        f"{package}.__all__ is not sorted; it should be ['A', 'b', 'c']",
        f"{package}.b: the first line of its docstring is not one sentence: 'Two sentences. Here.'",
        f"{package}.A: no docstring",
        f"{package}.A.close: no docstring",
        f"{package}.more.c: already on the face {package}",
    ]


def test_leaked_places_are_found(tmp_path: Path) -> None:
    folder = "/".join(("", "root", "x"))
    write(
        tmp_path, {"a.md": f"https://{tidy.HOSTS[0]}/simple", "b.md": f"see {folder}", "c.md": "ok"}
    )
    (tmp_path / "d.png").write_bytes(b"\xff\xfe")
    found = tidy.leaked_places(tmp_path)
    assert sorted(line.partition(":")[0] for line in found) == ["a.md", "b.md"]


def test_poor_decision_records_are_found(tmp_path: Path) -> None:
    sections = "".join(f"## {section}\n" for section in tidy.MADR_SECTIONS)
    records = {"0001-a.md": sections, "0002-b.md": sections.replace("Options", "")}
    write(tmp_path / "docs" / "decisions", records | {"README.md": ""})
    assert len(tidy.poor_decision_records(tmp_path)) == 1


def test_loaded_third_party_is_found() -> None:
    assert "yaml" in tidy.third_party_loaded_by("import yaml")
    assert not tidy.third_party_loaded_by("import json")

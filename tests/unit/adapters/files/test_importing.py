"""What is executed is the source that the digest was made from, whatever was compiled before."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

from fairlead.adapters.files import app, importing
from fairlead.adapters.files.app import load_object
from fairlead.core.errors import AppImportFailed


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process goes on as though it had never imported an app."""
    monkeypatch.setattr(app, "_loaded", set())
    monkeypatch.setattr(importing, "_folders", set())
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr("sys.path_hooks", [*sys.path_hooks])
    monkeypatch.setattr("sys.path_importer_cache", {})
    monkeypatch.setattr("sys.dont_write_bytecode", False)


def write(path: Path, text: str) -> None:
    """Write a file as an archive with one date for all files unpacks it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def test_python_itself_takes_the_compiled_module_of_another_text(tmp_path: Path) -> None:
    """Why this is here at all."""
    sys.path.insert(0, str(tmp_path))
    found = ""
    for text in ("found = 'old'", "found = 'new'"):
        write(tmp_path / "stale_by_python.py", text)
        sys.modules.pop("stale_by_python", None)
        found = importlib.import_module("stale_by_python").found
    assert found == "old"


@pytest.mark.parametrize("module", ["app", "stale_beside", "stale_package.below", "stale_bare.x"])
def test_a_text_of_the_same_size_and_date_is_what_is_executed(tmp_path: Path, module: str) -> None:
    if module.startswith("stale_package"):
        write(tmp_path / "stale_package" / "__init__.py", "")
    at = tmp_path / f"{module.replace('.', '/')}.py"
    if module != "app":
        write(tmp_path / "app.py", f"from {module} import found")
    for text in ("old", "new"):
        write(at, f"found = {text!r}")
        for name in [name for name in sys.modules if name.startswith("stale_")]:
            del sys.modules[name]
        assert load_object(tmp_path, "app.py:found") == text
    assert not list(tmp_path.rglob("__pycache__"))


def test_what_was_compiled_of_a_source_that_is_gone_is_not_executed(tmp_path: Path) -> None:
    write(tmp_path / "app.py", "from stale_gone import found")
    write(tmp_path / "stale_gone.py", "found = 1")
    importlib.import_module("py_compile").compile(
        str(tmp_path / "stale_gone.py"), cfile=str(tmp_path / "stale_gone.pyc")
    )
    (tmp_path / "stale_gone.py").unlink()
    with pytest.raises(AppImportFailed, match="stale_gone"):
        load_object(tmp_path, "app.py:found")


def test_a_folder_that_python_has_looked_into_before_is_an_apps_as_well(tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    write(tmp_path / "stale_known.py", "found = 'old'")
    assert importlib.import_module("stale_known").found == "old"
    del sys.modules["stale_known"]
    write(tmp_path / "stale_known.py", "found = 'new'")
    write(tmp_path / "app.py", "from stale_known import found")
    assert load_object(tmp_path, "app.py:found") == "new"


def test_what_is_installed_below_an_app_is_imported_as_ever(tmp_path: Path) -> None:
    installed = tmp_path / "venv" / "lib" / "site-packages"
    sys.path.insert(0, str(installed))
    write(tmp_path / "app.py", "import stale_installed, json\nfound = [stale_installed.x, json]")
    write(installed / "stale_installed.py", "x = 1")
    assert load_object(tmp_path, "app.py:found") == [1, json]
    assert (installed / "__pycache__").is_dir()

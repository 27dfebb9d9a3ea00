"""`python -m fairlead` ends as `fairlead` does: a gate in CI and a supervisor read its status."""

from __future__ import annotations

import runpy

import pytest

import fairlead.entrypoints.cli as cli


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_the_module_ends_with_the_status_of_the_command(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(cli, "main", lambda: status)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("fairlead", run_name="__main__")
    assert (ended.value.code or 0) == status

"""A check that takes too long: what it did last is told, and kept where there is a release."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from fairlead.adapters.otel.null import NullTelemetry
from fairlead.core.errors import GateTimedOut
from fairlead.delivery.gate import CheckRun
from fairlead.operations import (
    Platform,
    check_app,
    checking,
    create_release,
    load_settings,
    open_platform,
)
from fairlead.operations.gate_process import GateTask, Heard, Overdue, Told

SCHEMA = CheckRun(name="schema", conclusion="success", summary="1 workflow")
SAMPLE = "guardrail kind, sample 2"


def said(release: str) -> bytes:
    """Return what a gate's process says until it hangs in a sample of a guardrail."""
    out = io.StringIO()
    told = Told(out)
    told.doing("the app was read and imported")
    told.candidate(release)
    told.doing("it had begun", "schema")
    told.ended(SCHEMA)
    told.doing(SAMPLE, "guardrail")
    return out.getvalue().encode()


def test_what_is_heard_is_what_was_told_up_to_a_line_that_was_cut() -> None:
    heard = Heard.of(said("d1") + b'{"doing": "mor')
    assert heard == Heard(doing=SAMPLE, check="guardrail", release="d1", checks=(SCHEMA,))
    assert Heard.of(b"") == Heard()
    assert str(Overdue(5.0, Heard())) == "it took longer than 5 s, and was ended"
    assert str(Overdue(5.0, heard)).endswith(f"; the last that it did: check guardrail: {SAMPLE}")


def hung(platform: Platform, release: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the check of a release hang; return what is said."""

    def told_apart(task: GateTask) -> None:
        raise Overdue(task.timeout_s, Heard.of(said(release)))

    monkeypatch.setattr(checking, "told_apart", told_apart)
    with pytest.raises(GateTimedOut) as found:
        check_app(platform, timeout_s=5.0)
    return found.value.message


def test_a_check_that_hangs_is_evidence_where_its_release_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "fairlead.toml").write_text("")
    (tmp_path / "app.py").write_text('import fairlead as fl\n\napp = fl.App("app", workflows=[])\n')
    with open_platform(load_settings(tmp_path), telemetry=NullTelemetry()) as platform:
        message = hung(platform, "0" * 64, monkeypatch)
        assert f"check guardrail: {SAMPLE}; before that ended: schema; nothing is kept" in message
        release, _ = create_release(platform)
        message = hung(platform, release.digest, monkeypatch)
        assert message.endswith(f"kept as evidence on release {release.id}")
        kept = platform.release_store.gate(release.digest)
        assert kept is not None and kept.conclusion == "timed_out"
        assert [(one["name"], one["conclusion"]) for one in kept.checks] == [
            ("schema", "success"),
            ("guardrail", "timed_out"),
        ]
        assert SAMPLE in kept.checks[1]["findings"][0]

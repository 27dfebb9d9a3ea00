"""What a command logs: without secrets, in a message and in a traceback alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fairlead.entrypoints.cli import ending
from fairlead.entrypoints.cli.workplace import quieten
from tests.unit.runtime.test_guarded_tools import HANDLE, KEY, Played

LEFT = "[redacted:HANDLE]"


@contextmanager
def logging_tool() -> Iterator[logging.Logger]:
    """Give a logger of a tool whose records the command's handler writes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        quieten()
        # What a run does hands the value out, as in a worker.
        Played(secret="HANDLE")
        yield logging.getLogger("tool")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_a_message_holds_no_value_that_a_tool_was_handed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logging_tool() as log:
        log.warning("sent %s and %s", json.dumps({"key": HANDLE}), KEY)
    said = capsys.readouterr().err
    assert said == f'WARNING tool: sent {{"key": "{LEFT}"}} and [redacted:aws-key]\n'


def test_a_traceback_holds_no_value_that_a_tool_was_handed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with logging_tool() as log:
        try:
            raise KeyError(HANDLE)
        except KeyError:
            log.exception("it failed")
    said = capsys.readouterr().err
    assert f"KeyError: '{LEFT}'" in said
    assert HANDLE not in said


def test_a_mistake_of_ours_shows_no_value_either(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_tool(), ending.ended() as end:
        raise RuntimeError(f"a bug with {HANDLE}")
    assert end.status == 70
    assert f"a bug with {LEFT}" in capsys.readouterr().err

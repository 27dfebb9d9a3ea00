"""How commands end, and what stderr says."""

from __future__ import annotations

import pytest

from fairlead.core.errors import StoreLocked
from fairlead.entrypoints.cli import ending
from fairlead.entrypoints.cli.interruption import Interrupted, Interruption, is_torn_apart


def test_an_error_with_a_code_is_two_lines_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with ending.ended() as end:
        raise StoreLocked("the database x\nis held")
    assert end.status == 2
    assert capsys.readouterr().err == (
        f"FL-202  the database x is held\n        {StoreLocked.hint}\n"
    )


def test_a_mistake_of_ours_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with ending.ended() as end:
        raise KeyError("a bug")
    assert end.status == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "status"), [(0, 0), (1, 1), (None, 0), ("said", 1)])
def test_an_exit_keeps_its_status(code: object, status: int) -> None:
    with ending.ended() as end:
        raise SystemExit(code)
    assert end.status == status


def test_what_a_half_made_stop_raises_is_no_mistake() -> None:
    try:
        try:
            raise Interrupted
        finally:
            raise OSError("the folder is not empty")
    except OSError as error:
        assert is_torn_apart(error)
    assert not is_torn_apart(OSError())


def test_a_signal_is_raised_unless_it_is_only_noted() -> None:
    interruption = Interruption()
    with pytest.raises(Interrupted):
        interruption._handle(2, None)
    assert interruption.status == 130


def test_a_gentle_signal_is_only_noted(capfd: pytest.CaptureFixture[str]) -> None:
    interruption = Interruption()
    with interruption.gently("stopping"):
        interruption._handle(15, None)
    assert interruption.asked
    assert interruption.status == 143
    assert capfd.readouterr().err == "stopping; a second signal ends it at once\n"

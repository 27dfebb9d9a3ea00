"""The checkpoint file: appended to by one at a time, and what a crash or somebody left in it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.adapters.files.checkpoints import JsonlCheckpointFile
from fairlead.core.audit import Checkpoint, checkpoint_json
from fairlead.core.errors import CheckpointFileUnusable
from fairlead.core.event import GENESIS

FIRST = Checkpoint(
    number=1,
    time=1.5,
    since=0.0,
    whole=True,
    heads=0,
    root="r",
    chains=0,
    events=0,
    previous=GENESIS,
    key="k",
    signature="s",
)
ALL = [replace(FIRST, number=number) for number in range(1, 31)]


def after(number: int, most: int = 4) -> Sequence[Checkpoint]:
    return ALL[number : number + most]


@pytest.fixture
def file(tmp_path: Path) -> JsonlCheckpointFile:
    return JsonlCheckpointFile(tmp_path / "deep" / "checkpoints.jsonl")


def numbers(file: JsonlCheckpointFile) -> list[int | None]:
    lines = file.lines(file.size())
    return [line.checkpoint.number if line.checkpoint else None for line in lines]


def test_a_file_gets_what_it_does_not_have(file: JsonlCheckpointFile) -> None:
    assert (file.id(), file.size(), numbers(file)) == (None, 0, [])
    file.make("f1")
    file.make("f2")
    assert (file.id(), numbers(file)) == ("f1", [])
    assert file.extend(lambda number: after(number) if number < 6 else []) == 8
    assert file.extend(after) == 30
    assert file.extend(after) == 30
    assert numbers(file) == list(range(1, 31))
    last = list(file.lines(file.size()))[-1]
    assert (last.number, last.end, last.checkpoint) == (31, file.size(), ALL[-1])


def test_many_at_once_write_each_line_once(file: JsonlCheckpointFile) -> None:
    file.make("f")
    threads = [threading.Thread(target=file.extend, args=(after,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers(file) == list(range(1, 31))


def test_a_line_that_a_crash_tore_off_is_written_again(file: JsonlCheckpointFile) -> None:
    file.make("f")
    file.extend(after)
    path = Path(file.where)
    whole = path.read_bytes()
    for cut in (1, 10, 400):
        path.write_bytes(whole[:-cut])
        assert numbers(file)[-1] is None
        assert file.extend(after) == 30
        assert path.read_bytes() == whole


@pytest.mark.parametrize("junk", ["{}", "junk", '{"checkpoints": "f"}', "null"])
def test_a_file_that_somebody_wrote_to_is_not_written_to(
    file: JsonlCheckpointFile, junk: str
) -> None:
    file.make("f")
    file.extend(after)
    with Path(file.where).open("a") as opened:
        opened.write(f"{junk}\n")
    with pytest.raises(CheckpointFileUnusable, match="its last line is no checkpoint"):
        file.extend(after)
    assert numbers(file)[-1] is None


def test_a_line_that_says_the_same_in_other_signs_is_none(file: JsonlCheckpointFile) -> None:
    file.make("f")
    file.extend(after)
    path = Path(file.where)
    path.write_text(path.read_text().replace('"heads":0', '"heads": 0', 1))
    assert numbers(file)[:2] == [None, 2]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    for use in ("id", "size", "make", "extend"):
        with pytest.raises(CheckpointFileUnusable, match=str(tmp_path)):
            argument = {"make": ("f",), "extend": (after,)}.get(use, ())
            getattr(JsonlCheckpointFile(tmp_path), use)(*argument)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000 + b"\n",
        b"[" * 100_000,
        checkpoint_json(replace(FIRST, number=2**31)).encode() + b"\n",
        checkpoint_json(replace(FIRST, number=0)).encode() + b"\n",
        b'{"checkpoints":["f"]}\n',
        b"\xff\x00\n",
    ],
)
def test_a_line_that_somebody_put_there_is_said_and_stays(
    file: JsonlCheckpointFile, line: bytes
) -> None:
    file.make("f")
    file.extend(after)
    path = Path(file.where)
    with path.open("ab") as opened:
        opened.write(line)
    whole = path.read_bytes()
    assert numbers(file)[30] is None
    with pytest.raises(CheckpointFileUnusable, match="was changed"):
        file.extend(after)
    assert path.read_bytes() == whole
    path.write_bytes(line)
    assert file.id() is None

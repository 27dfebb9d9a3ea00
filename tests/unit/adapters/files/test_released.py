"""Folders with the files of releases: whole or not there, and never taken from who uses them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.adapters.files import released
from fairlead.adapters.files.released import materialise, tidy_up
from fairlead.core.errors import ReleaseUnwritable

FILES = {"app.py": b"x = 1\n", "data/a.csv": b"1,2\n"}

# Takes a folder, says so, and holds it until its input ends.
TAKE = """
import sys
from pathlib import Path
from fairlead.adapters.files.released import materialise, tidy_up
files = {"app.py": b"x = 1\\n", "data/a.csv": b"1,2\\n"}
read = lambda place: (place / "app.py").read_bytes() == files["app.py"]
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    place = materialise(Path(sys.argv[1]), "code", files, read)
    assert read(place)
    tidy_up(Path(sys.argv[1]), 1)
print(place, flush=True)
sys.stdin.read()
"""


def whole(place: Path) -> bool:
    found = {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return found == FILES


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "releases"


def taker(root: Path, times: int = 1) -> subprocess.Popen[str]:
    """Start a process that takes a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", TAKE, str(root), str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_a_folder_is_made_once_and_used_again(root: Path) -> None:
    place = materialise(root, "code", FILES, whole)
    assert place == root / "code"
    before = (place / "app.py").stat().st_ino
    assert materialise(root, "code", {}, whole) == place
    assert (place / "app.py").stat().st_ino == before
    assert [path.name for path in root.iterdir()] == ["code"]


def test_a_folder_that_somebody_changed_is_made_anew(root: Path) -> None:
    place = materialise(root, "code", FILES, whole)
    (place / "app.py").write_text("evil()\n")
    assert materialise(root, "code", FILES, whole) == place
    assert whole(place)
    (place / "more.py").write_text("evil()\n")
    assert whole(materialise(root, "code", FILES, whole))
    tidy_up(root, 5)
    assert [path.name for path in root.iterdir()] == ["code"]


def test_what_another_process_made_anew_meanwhile_is_not_taken_away(root: Path) -> None:
    """Both found the folder changed, and the other one was faster."""
    place = materialise(root, "code", FILES, whole)
    (place / "app.py").write_text("evil()\n")
    made: list[int] = []

    def fits(found: Path) -> bool:
        if not made:
            found.rename(root / ".old-other")
            for path, data in FILES.items():
                (found / path).parent.mkdir(parents=True, exist_ok=True)
                (found / path).write_bytes(data)
            made.append(os.open(found, os.O_RDONLY))
            return False
        return whole(found)

    assert os.path.samestat(materialise(root, "code", FILES, fits).stat(), os.fstat(made[0]))
    os.close(made[0])


def test_what_is_never_right_is_an_error_and_no_endless_loop(root: Path) -> None:
    with pytest.raises(ReleaseUnwritable, match="does not stay"):
        materialise(root, "code", FILES, lambda _: False)


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each try of a worker that is started again and again would fill it further."""
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "a.csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ReleaseUnwritable, match="No space left"):
        materialise(root, "code", FILES, whole)
    assert list(root.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error(root: Path) -> None:
    root.parent.mkdir(exist_ok=True)
    root.write_text("a file")
    with pytest.raises(ReleaseUnwritable, match="cannot be made"):
        materialise(root, "code", FILES, whole)


def test_a_link_in_the_place_of_a_folder_is_not_followed(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.mkdir()
    (root / "code").symlink_to(elsewhere)
    with pytest.raises(ReleaseUnwritable):
        materialise(root, "code", FILES, whole)
    assert list(elsewhere.iterdir()) == []


def test_processes_that_take_one_folder_at_once_all_get_it_whole(root: Path) -> None:
    """Each takes and tidies up again and again; what was half made does not stay."""
    takers = [taker(root, 30) for _ in range(4)]
    for process in takers:
        go(process)
    for process in takers:
        said, _ = process.communicate(timeout=60)
        assert (process.returncode, said.strip()) == (0, str(root / "code"))
    assert [path.name for path in root.iterdir()] == ["code"]


def test_old_folders_go_and_one_that_a_process_uses_stays(root: Path) -> None:
    user = taker(root)
    go(user)
    assert user.stdout is not None and user.stdout.readline().strip() == str(root / "code")
    os.utime(root / "code", (1, 1))
    for number in range(4):
        (root / f"{number}").mkdir()
        os.utime(root / f"{number}", (1000 + number, 1000 + number))
    (root / ".new-dead").mkdir()
    (root / ".old-dead" / "deep").mkdir(parents=True)
    tidy_up(root, 2)
    assert sorted(path.name for path in root.iterdir()) == ["2", "3", "code"]
    user.communicate(timeout=60)
    tidy_up(root, 2)
    assert sorted(path.name for path in root.iterdir()) == ["2", "3"]


def test_this_process_holds_what_it_took(root: Path) -> None:
    place = materialise(root, "code", FILES, whole)
    tidy_up(root, 0)
    assert whole(place)
    released._let_go(place)
    tidy_up(root, 0)
    assert not place.exists()

"""Archives: the same bytes for the same files, and nothing in them that leads elsewhere."""

from __future__ import annotations

import io
import stat
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.archive import Archive, pack, unpack
from fairlead.core.digests import digest_bytes

NAMES = st.text("abcé_-.", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=50), max_size=6)


@given(FILES)
def test_what_is_packed_comes_back_and_its_order_does_not_count(files: dict[str, bytes]) -> None:
    archive = pack(files)
    assert unpack(archive) == files
    assert pack(dict(reversed(files.items()))) == archive


def test_the_bytes_are_these_on_every_machine() -> None:
    """A change of them would store every archive a second time."""
    archive = pack({"app.py": b"x = 1\n", "data/ö.csv": b"\x00\xff"})
    assert archive.digest == "f03f307cea8b0f863b2ab3c79859cbb4bf5a8a64ff12f70a51b1af14abe62dde"
    assert b"x = 1\n" in archive.data, "what is erased is looked for in the bytes"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../up.py", "a/../../b", "a//b", "./a", "", "a\\b", "c:a", "a\nb", "a/", "."],
)
def test_a_path_that_leads_elsewhere_is_refused_both_ways(path: str) -> None:
    with pytest.raises(ValueError, match="no path below a folder"):
        pack({path: b""})
    with pytest.raises(ValueError, match=r"no path below a folder|no plain file"):
        unpack(zipped((path, {})))


def test_paths_that_some_file_systems_do_not_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="capital"):
        pack({"a.py": b"", "A.py": b""})


def zipped(*members: tuple[str, dict[str, Any]]) -> Archive:
    """Return an archive that somebody else made."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for path, how in members:
            info = zipfile.ZipInfo("x")
            info.filename = path
            info.external_attr = how.get("mode", stat.S_IFREG | 0o644) << 16
            made.writestr(info, b"data" * 100, how.get("compress", zipfile.ZIP_STORED))
    data = out.getvalue()
    return Archive(digest=digest_bytes(data), data=data)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"mode": stat.S_IFLNK | 0o777}, "no plain file"),
        ({"mode": stat.S_IFREG | 0o4755}, "no plain file"),
        ({"mode": stat.S_IFDIR | 0o755}, "no plain file"),
        ({"compress": zipfile.ZIP_DEFLATED}, "is compressed"),
    ],
)
def test_a_member_that_is_no_plain_file_is_refused(how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        unpack(zipped(("a.py", how)))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_path_are_refused() -> None:
    with pytest.raises(ValueError, match="two of its paths"):
        unpack(zipped(("a.py", {}), ("a.py", {})))


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_noticed(place: int, change: int) -> None:
    archive = pack({"app.py": b"x = 1\n"})
    data = bytearray(archive.data)
    data[place % len(data)] ^= change
    with pytest.raises(ValueError, match="not those"):
        unpack(Archive(digest=archive.digest, data=bytes(data)))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_archive_are_refused_and_break_nothing(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(Archive(digest=digest_bytes(data), data=data))


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_archive_under_its_own_name_breaks_nothing(place: int, change: int) -> None:
    """Whoever can write over the bytes can write over the name as well."""
    data = bytearray(pack({"app.py": b"x = 1\n", "b": b"2"}).data)
    data[place % len(data)] ^= change
    with suppress(ValueError):
        unpack(Archive(digest=digest_bytes(bytes(data)), data=bytes(data)))

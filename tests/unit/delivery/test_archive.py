"""The archive of a release: what its digests were computed from, and nothing else."""

from __future__ import annotations

import io
import struct
import tomllib
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.archive import Archive, pack, unpack
from fairlead.core.digests import digest_bytes
from fairlead.core.errors import ArchiveDamaged, ArchiveTooLarge, CodeMismatch, SecretInRelease
from fairlead.core.release import Release
from fairlead.delivery.archive import _toml, archive_of, files_of
from fairlead.delivery.resolve import bundle_digest, code_digest, read_config
from fairlead.ports.app_files import AppFiles
from tests.unit.runtime.bench import manifest_of
from tests.unit.runtime.test_admission import echo

MOST = 50_000_000
CONFIG = b'[app]\nname = "a"\nfiles = ["d.bin"]\n[workflow.w]\ntop_k = 3\nslo = {success = 0.9}\n'
FILES = AppFiles(
    code={"app.py": b"x = 1\n", "d.bin": b"\x00\xff\r\n"},
    bundle={"fairlead.toml": CONFIG, "prompts/a.md": b"Answer.\n"},
)


def release_of(files: AppFiles, **values: Any) -> Release:
    """Return a release whose digests are those of files."""
    manifest = replace(
        manifest_of(echo),
        code_digest=code_digest(files),
        bundle_digest=bundle_digest(files, read_config(files)),
    )
    return Release(digest="d" * 64, manifest=replace(manifest, **values), created_at=0.0)


def test_members_that_lie_in_each_other_are_refused_before_they_are_read() -> None:
    """Each is whole, and they share their bytes: a small archive would be a large folder."""
    inner = pack({"code/b.py": b"x" * 10_000}).data
    inner = inner[: inner.index(b"PK\x01\x02")]
    outer = bytearray(pack({"code/a.py": inner, "code/b.py": b""}).data)
    entry = outer.rindex(b"PK\x01\x02")
    with zipfile.ZipFile(io.BytesIO(pack({"code/b.py": b"x" * 10_000}).data)) as known:
        crc = known.infolist()[0].CRC
    struct.pack_into("<III", outer, entry + 16, crc, 10_000, 10_000)
    struct.pack_into("<I", outer, entry + 42, outer.index(b"PK\x03\x04", 4))
    data = bytes(outer)
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        assert made.read("code/b.py") == b"x" * 10_000
    with pytest.raises(ValueError, match="lie in each other"):
        unpack(Archive(digest=digest_bytes(data), data=data))


def test_both_digests_follow_from_what_is_unpacked() -> None:
    files = files_of(release_of(FILES), archive_of(FILES, MOST))
    assert files.code == FILES.code
    assert files.bundle["prompts/a.md"] == b"Answer.\n"
    assert read_config(files) == read_config(FILES)


def test_how_a_process_runs_is_in_no_archive() -> None:
    private = b'# Ours.\n[database]\nurl = "postgresql://ann:geheim@db/x"\n[worker]\nparked = 1\n'
    other = replace(FILES, bundle={**FILES.bundle, "fairlead.toml": private + CONFIG})
    assert archive_of(other, MOST) == archive_of(FILES, MOST)
    assert b"geheim" not in archive_of(other, MOST).data


KEYS = st.text(max_size=4)
VALUES = st.recursive(
    st.text(max_size=6)
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_configuration_is_the_same_after_it_was_written(config: dict[str, Any]) -> None:
    assert tomllib.loads(_toml(config)) == config


def test_a_file_that_holds_a_secret_is_refused() -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLA"
    files = replace(FILES, code={"app.py": f'KEY = "{key}"\n'.encode()})
    with pytest.raises(SecretInRelease, match=r"app\.py holds a secret") as caught:
        archive_of(files, MOST)
    assert key not in caught.value.message


def test_an_example_in_code_is_no_secret_and_a_value_in_the_configuration_is() -> None:
    example = 'URL = "postgresql://ann:geheim7@db/x"\npassword = secrets.token_hex(16)\n'
    archive_of(replace(FILES, code={"app.py": example.encode()}), MOST)
    config = CONFIG + b'[telemetry]\nendpoint = "https://ann:geheim7@collector/x"\n'
    with pytest.raises(SecretInRelease, match=r"fairlead\.toml holds a secret \(url-password"):
        archive_of(replace(FILES, bundle={"fairlead.toml": config}), MOST)


def test_an_archive_has_a_bound() -> None:
    least = len(archive_of(FILES, MOST).data)
    assert archive_of(FILES, least)
    for most in (least - 1, 10):
        with pytest.raises(ArchiveTooLarge, match=f"{most} is the most"):
            archive_of(FILES, most)


def test_a_file_that_cannot_be_unpacked_everywhere_is_refused() -> None:
    with pytest.raises(ArchiveTooLarge, match="no path below"):
        archive_of(replace(FILES, code={"a:b.py": b""}), MOST)


def repacked(path: str, data: bytes) -> Archive:
    """Return the archive with another member, under its own right name."""
    return pack({**unpack(archive_of(FILES, MOST)), path: data})


DAMAGES = [
    pytest.param(None, "it is not there", id="gone"),
    pytest.param(Archive(digest="0" * 64, data=b"PK"), "not those", id="bytes"),
    pytest.param(repacked("code/app.py", b"x = 2\n"), "its code", id="code"),
    pytest.param(repacked("code/b.py", b""), "its code", id="more code"),
    pytest.param(repacked("bundle/prompts/a.md", b"Obey."), "its bundle", id="bundle"),
    pytest.param(repacked("else", b""), "the files of an app", id="else"),
    pytest.param(pack({"code/app.py": b""}), "the files of an app", id="no configuration"),
    pytest.param(repacked("bundle/app.py", b"evil"), "two files", id="two of a path"),
    pytest.param(repacked("bundle/fairlead.toml", b"\xff"), "utf-8", id="no text"),
]


@pytest.mark.parametrize(("archive", "said"), DAMAGES)
def test_a_damaged_archive_is_refused(archive: Archive | None, said: str) -> None:
    with pytest.raises(ArchiveDamaged, match=said) as caught:
        files_of(release_of(FILES), archive)
    assert caught.value.ids == {"release": "d" * 64}


def test_a_configuration_that_is_none_is_damage_too() -> None:
    archive = repacked("bundle/fairlead.toml", b"[")
    with pytest.raises(ArchiveDamaged):
        files_of(release_of(FILES), archive)


@pytest.mark.parametrize(
    ("needs", "said"),
    [({"python": "2.7"}, "needs Python 2.7 and "), ({"fairlead": "0.0.0"}, "and Fairlead 0.0.0, ")],
)
def test_another_python_or_fairlead_is_named(needs: dict[str, str], said: str) -> None:
    with pytest.raises(CodeMismatch, match=said):
        files_of(release_of(FILES, **needs), archive_of(FILES, MOST))

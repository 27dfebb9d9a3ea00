"""Policies that stand beside an app's own: its shadow, a baseline's folder, files by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.adapters.files.app import read_baseline, read_files, read_policies
from fairlead.core.errors import InvalidBaseline, InvalidConfig, InvalidInput

RULE = "forbid (principal, action, resource);\r\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


@pytest.mark.parametrize(
    ("shadow", "read"),
    [
        ('"next"', True),
        ('""', False),
        ("3", False),
        ('"../next"', False),
        ('"prompts"', False),
        ('".git"', False),
    ],
)
def test_the_shadow_is_a_part_of_the_bundle(tmp_path: Path, shadow: str, read: bool) -> None:
    folder = write(
        tmp_path,
        fairlead_dot_toml=f"[policy]\nshadow = {shadow}\n",
        next__a_dot_cedar=RULE,
        prompts__p_dot_md="Answer.",
    )
    found = read_files(folder).bundle
    assert ("next/a.cedar" in found) is read
    assert found["prompts/p.md"] == b"Answer."
    assert not read or found["next/a.cedar"] == RULE.replace("\r", "").encode()


def test_a_configuration_that_is_not_understood_is_left_to_who_reads_it(tmp_path: Path) -> None:
    assert set(read_files(write(tmp_path, fairlead_dot_toml="[policy")).bundle) == {"fairlead.toml"}


def test_a_baselines_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidBaseline):
        read_baseline(tmp_path)
    write(tmp_path, baseline_dot_toml="x = 1", policies__b_dot_cedar=RULE, policies__c_dot_md="x")
    found = read_baseline(tmp_path)
    assert set(found.bundle) == {"baseline.toml", "policies/b.cedar"}
    (tmp_path / "policies" / "b.cedar").write_bytes(b"\xff")
    with pytest.raises(InvalidConfig):
        read_baseline(tmp_path)


def test_policies_by_folder_and_file(tmp_path: Path) -> None:
    write(tmp_path, a__x_dot_cedar=RULE, a__deep__y_dot_cedar=RULE, z_dot_cedar=RULE)
    found = read_policies([tmp_path / "a", tmp_path / "z.cedar"])
    assert set(found) == {"a/x.cedar", "a/deep/y.cedar", "z.cedar"}
    for nothing in (tmp_path / "nowhere", tmp_path / "a" / "deep" / "none"):
        with pytest.raises(InvalidInput):
            read_policies([nothing])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no policy"):
        read_policies([tmp_path / "empty"])

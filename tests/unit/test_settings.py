"""Settings: which databases can be named, and what is never shown of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.core.errors import InvalidConfig
from fairlead.settings import Settings, load_settings


def read(folder: Path, url: str) -> Settings:
    (folder / "fairlead.toml").write_text('[app]\nname = "x"\n')
    return load_settings(folder, {"FAIRLEAD_DATABASE_URL": url})


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_postgresql_database_can_be_named(tmp_path: Path, scheme: str) -> None:
    rest = "ann:s3cr3t@db.example:5433/prod?sslmode=require"
    assert read(tmp_path, f"{scheme}://{rest}").database_url == f"postgresql://{rest}"


@pytest.mark.parametrize("url", ["mysql://ann:s3cr3t@host/db", "ann:s3cr3t@host", "sqlite://x"])
def test_another_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidConfig, match="postgresql://") as caught:
        read(tmp_path, url)
    assert "s3cr3t" not in str(caught.value)


def test_settings_are_shown_without_the_address(tmp_path: Path) -> None:
    assert "s3cr3t" not in repr(read(tmp_path, "postgresql://ann:s3cr3t@host/db"))

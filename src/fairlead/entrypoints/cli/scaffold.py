"""Makes an app from the versioned template: all of it, or nothing."""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fairlead.core.errors import TargetExists, TargetUnwritable

TEMPLATE = "app"
REVIEW_AFTER = timedelta(days=180)
NAME_MAX = 60

_ABOUT = "template.toml"
# A hidden file in a package is easily lost on the way into a wheel.
_RENAMED = {"gitignore": ".gitignore"}


@dataclass(frozen=True, kw_only=True)
class Made:
    """An app that was made.

    Attributes:
        name: Its name.
        template: Version of the template.
    """

    name: str
    template: str


def make_app(folder: Path) -> Made:
    """Make an app.

    Args:
        folder: Where; it must be empty or not there. Its name becomes the app's.

    Raises:
        TargetExists: There is something already.
        TargetUnwritable: The folder cannot be written.
    """
    source = files("fairlead") / "templates" / TEMPLATE
    about = tomllib.loads((source / _ABOUT).read_text(encoding="utf-8"))
    target = folder.absolute()
    made = Made(name=safe_name(folder.resolve().name), template=str(about["version"]))
    today = datetime.now(tz=UTC).date()
    values = {
        "{{name}}": made.name,
        "{{template}}": made.template,
        "{{review_date}}": (today + REVIEW_AFTER).isoformat(),
    }
    try:
        if target.is_symlink() or target.exists():
            _must_be_empty(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _build(source, target, values)
    except OSError as error:
        raise TargetUnwritable(
            f"{folder} cannot be made: {error.strerror or error}", folder=str(folder)
        ) from error
    return made


def safe_name(name: str) -> str:
    """Return a folder's name as an app's name: small letters, digits and hyphens."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")[:NAME_MAX].strip("-") or "app"


def _must_be_empty(target: Path) -> None:
    if not target.is_dir():
        raise TargetExists(f"{target} is there already, and is no folder", folder=str(target))
    if any(target.iterdir()):
        raise TargetExists(f"{target} is not empty", folder=str(target))


def _build(source: Traversable, target: Path, values: dict[str, str]) -> None:
    """Write everything beside the target, then put it in its place."""
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for path, item in _walk(source):
            text = item.read_text(encoding="utf-8")
            for token, value in values.items():
                text = text.replace(token, value)
            file = building / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        _place(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _walk(folder: Traversable, below: str = "") -> Iterator[tuple[str, Traversable]]:
    for item in sorted(folder.iterdir(), key=lambda one: one.name):
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _walk(item, f"{below}{item.name}/")
        elif below or item.name != _ABOUT:
            yield below + _RENAMED.get(item.name, item.name), item


def _place(building: Path, target: Path) -> None:
    if not target.exists():
        # A folder of mkdtemp is closed to others; a new folder is as open as the user's others.
        plain = building / ".mode"
        plain.mkdir()
        building.chmod(plain.stat().st_mode)
        plain.rmdir()
        building.rename(target)
        return
    # An empty folder is kept, because a shell may stand in it: its entries move one by one.
    moved: list[Path] = []
    try:
        for entry in sorted(building.iterdir()):
            moved.append(entry.rename(target / entry.name))
    except OSError:
        for entry in moved:
            with suppress(OSError):
                entry.rename(building / entry.name)
        raise

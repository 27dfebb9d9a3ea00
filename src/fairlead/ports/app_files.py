"""An app's files, as a release is made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AppFiles:
    """The files of an app's folder, by path below it, with forward slashes and plain newlines.

    Attributes:
        code: Python files, the dependency lock, and what `app.files` names: a change needs a worker
            of the new code.
        bundle: `fairlead.toml`, prompts, policies and their tests, intents, evaluations, flags,
            and the contracts and pins of MCP servers: a change does not.
    """

    code: Mapping[str, bytes]
    bundle: Mapping[str, bytes]

    def text(self, path: str) -> str | None:
        """Return a bundle file's text, or None when there is no such file."""
        data = self.bundle.get(path)
        return None if data is None else data.decode()

    def below(self, folder: str) -> dict[str, str]:
        """Return the texts of the bundle files in a folder, by path."""
        return {
            path: data.decode()
            for path, data in sorted(self.bundle.items())
            if path.startswith(f"{folder}/")
        }

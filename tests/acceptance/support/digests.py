"""Prints the digests of the app in a folder, as another process on another machine sees them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fairlead.bootstrap import resolve_app
from fairlead.core.release import Manifest, manifest_digest
from fairlead.settings import load_settings


def digests(folder: Path) -> dict[str, str]:
    """Return the digests of code, bundle and release."""
    manifest: Manifest = resolve_app(load_settings(folder))[2]
    return {
        "code": manifest.code_digest,
        "bundle": manifest.bundle_digest,
        "release": manifest_digest(manifest),
    }


if __name__ == "__main__":
    os.umask(int(sys.argv[2], 8))
    sys.stdout.write(json.dumps(digests(Path(sys.argv[1]))))

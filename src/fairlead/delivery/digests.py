"""Holds a manifest's digests against the files that they stand for."""

from __future__ import annotations

from fairlead.core.digests import digest
from fairlead.core.release import Manifest
from fairlead.delivery.resolve import bundle_digest, code_digest, read_config
from fairlead.ports.app_files import AppFiles


def digest_findings(manifest: Manifest, files: AppFiles) -> list[str]:
    """Find what of an app's files is not as its manifest says.

    A check takes minutes, and what passed must be what is released.

    Args:
        manifest: The candidate's manifest.
        files: The app's files, read again.
    """
    pairs = {
        "code": (manifest.code_digest, code_digest(files)),
        "bundle": (manifest.bundle_digest, bundle_digest(files, read_config(files))),
        "policies": (digest(manifest.policies), digest(files.below("policies"))),
    }
    return [
        f"the digest of the {what} is {found[:12]}, and the manifest says {said[:12]}: "
        "a file changed meanwhile, so check again"
        for what, (said, found) in pairs.items()
        if said != found
    ]

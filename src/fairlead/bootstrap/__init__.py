"""The composition root: the only room that names adapters."""

from fairlead.bootstrap.apps import load_app, read_app_files, resolve_app
from fairlead.bootstrap.audit import (
    checkpoint_file,
    load_signer,
    load_verifier,
    make_keys,
    public_of,
)
from fairlead.bootstrap.backup import backup_files, restore_place, restored_platform, snapshot_of
from fairlead.bootstrap.delivery import make_orphan
from fairlead.bootstrap.drill import artefact_findings, drilling
from fairlead.bootstrap.embedding import open_embedder
from fairlead.bootstrap.gate import make_gate
from fairlead.bootstrap.opening import make_tokens, open_mcp, open_platform
from fairlead.bootstrap.platform import Platform
from fairlead.bootstrap.policies import compile_texts, read_baseline_files, read_policy_files
from fairlead.bootstrap.released import materialised, read_provenance
from fairlead.bootstrap.replay import is_remote_embedder, replay_runner

__all__ = [
    "Platform",
    "artefact_findings",
    "backup_files",
    "checkpoint_file",
    "compile_texts",
    "drilling",
    "is_remote_embedder",
    "load_app",
    "load_signer",
    "load_verifier",
    "make_gate",
    "make_keys",
    "make_orphan",
    "make_tokens",
    "materialised",
    "open_embedder",
    "open_mcp",
    "open_platform",
    "public_of",
    "read_app_files",
    "read_baseline_files",
    "read_policy_files",
    "read_provenance",
    "replay_runner",
    "resolve_app",
    "restore_place",
    "restored_platform",
    "snapshot_of",
]

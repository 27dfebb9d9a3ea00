"""Proof of what happened: checkpoints of the event log, checked and exported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fairlead.bootstrap import (
    Platform,
    checkpoint_file,
    load_verifier,
    make_keys,
    public_of,
)
from fairlead.core.audit import Checkpoint, Finding
from fairlead.core.errors import ExportUnreadable
from fairlead.core.event import Event, verify_chain
from fairlead.operations.identity import allow, reach, reached_run
from fairlead.ports.audit import ExportScope
from fairlead.runtime.audit import needed
from fairlead.runtime.export import LINE_CHARS_MAX, Exporter, ExportReader
from fairlead.runtime.verify import Examination, Tally

_RUN = "run:"

FINDINGS_MAX = 100
"""Findings that are kept; all of them are counted."""


@dataclass(frozen=True, kw_only=True)
class AuditKey:
    """A key that was made.

    Attributes:
        key: Which key it is.
        private: Its file.
        public: The file of public keys.
    """

    key: str
    private: Path
    public: Path


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What an audit found.

    Attributes:
        chains: Chains that were looked at.
        events: Events that were looked at.
        checkpoints: Checkpoints that were looked at.
        copied: Checkpoints in the file outside of the database.
        covered: Events that checkpoints cover.
        newest: When the newest checkpoint was made, in seconds since 1970, UTC; None without one.
        findings: The first of what does not hold.
        found: How many findings there are.
    """

    chains: int
    events: int
    checkpoints: int
    copied: int
    covered: int
    newest: float | None
    findings: tuple[Finding, ...]
    found: int


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a look through the event log found.

    Attributes:
        chains: How many chains there are.
        events: How many events there are.
        findings: What was changed, removed or moved; empty when the log holds.
    """

    chains: int
    events: int
    findings: tuple[str, ...]


def init_audit(platform: Platform) -> AuditKey:
    """Make the key that checkpoints are signed with, and the first checkpoint.

    Args:
        platform: The open platform.

    Raises:
        AuditKeyExists: There is a key.
    """
    allow(platform, "audit init")
    private = platform.settings.audit_key
    key = make_keys(private)
    needed(platform.auditing, str(private)).checkpoint(empty=True)
    return AuditKey(key=key, private=private, public=public_of(private))


def make_checkpoint(platform: Platform) -> tuple[Checkpoint, ...]:
    """Cover all that happened so far, and bring the checkpoint file up to date.

    Args:
        platform: The open platform.

    Returns:
        The checkpoints that were made; none when no chain grew since the newest one.

    Raises:
        AuditKeyMissing: There is no key.
        CheckpointFileUnusable: The file cannot be written.
    """
    allow(platform, "audit checkpoint")
    auditing = needed(platform.auditing, str(platform.settings.audit_key))
    newest = platform.audit.newest()
    return tuple(auditing.checkpoint(empty=newest is None))


def verify_audit(
    platform: Platform,
    *,
    key: Path | None = None,
    file: Path | None = None,
    limit: int = FINDINGS_MAX,
) -> AuditReport:
    """Check all chains, their checkpoints, and the copies of those.

    Args:
        platform: The open platform.
        key: Public keys that are trusted; None takes those beside the private key.
        file: The checkpoint file; None takes the one of the settings.
        limit: Most findings to keep.

    Raises:
        AuditKeyMissing: There is no public key.
    """
    allow(platform, "audit verify")
    settings = platform.settings
    examination = Examination(
        store=platform.audit,
        verifier=load_verifier(key or public_of(settings.audit_key)),
        file=checkpoint_file(file or settings.audit_file),
    )
    return _report(examination.findings(), examination.tally, limit)


def export_audit(platform: Platform, out: Path, scope: ExportScope) -> AuditReport:
    """Write events to a file, with what proves them.

    Args:
        platform: The open platform.
        out: The file; one that is there is not written over.
        scope: Which chains; each goes whole. Other tenants' runs are left out for all but an admin.

    Raises:
        UnknownRun: There is no such run, or it is another tenant's.
        AuditKeyMissing: There is no key to sign the export with.
        ExportUnreadable: The file cannot be written.
    """
    allow(platform, "audit export")
    own = reach(platform)
    if scope.run_id is not None:
        scope = replace(scope, run_id=reached_run(platform, scope.run_id).id)
    if own is not None:
        scope = replace(scope, tenant=own)
    auditing = needed(platform.auditing, str(platform.settings.audit_key))
    auditing.checkpoint()
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            exporter = Exporter(store=auditing.store, signer=auditing.signer, write=file.write)
            exporter.export(scope)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ExportUnreadable(
            f"{out} cannot be written: {error.strerror}", file=str(out)
        ) from error
    return _report((), exporter.tally, 0)


def verify_export(path: Path, *, key: Path, limit: int = FINDINGS_MAX) -> AuditReport:
    """Check an export; no database is needed.

    Args:
        path: The export.
        key: Public keys that are trusted.
        limit: Most findings to keep.

    Raises:
        AuditKeyMissing: There is no public key.
        ExportUnreadable: The file cannot be read.
    """
    reader = ExportReader(verifier=load_verifier(key))
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            lines = iter(lambda: file.readline(LINE_CHARS_MAX), "")
            return _report(reader.findings(lines), reader.tally, limit)
    except (OSError, UnicodeDecodeError) as error:
        raise ExportUnreadable(f"{path} cannot be read: {error}", file=str(path)) from error


def list_events(
    platform: Platform, *, chain: str | None = None, limit: int = 100
) -> Sequence[Event]:
    """Return the newest events, newest last; other tenants' runs are an admin's to see.

    Args:
        platform: The open platform.
        chain: Of this chain, such as `run:ID`; None for all.
        limit: Most events.

    Raises:
        UnknownRun: It is the chain of no run, or of another tenant's.
    """
    allow(platform, "events list")
    own = reach(platform)
    if own is not None and chain is not None and chain.startswith(_RUN):
        chain = f"{_RUN}{reached_run(platform, chain.removeprefix(_RUN)).id}"
    return platform.events.list(chain=chain, tenant=own, limit=limit)


def verify_events(platform: Platform) -> Verification:
    """Check every chain of the event log, and that nothing was cut off.

    Args:
        platform: The open platform.
    """
    allow(platform, "events verify")
    chains = events = 0
    findings: list[str] = []
    for chain in platform.events.chains():
        chains, events = chains + 1, events + len(chain)
        finding = verify_chain(chain)
        if finding is not None:
            findings.append(finding)
    gaps: Sequence[str] = platform.events.gaps()
    findings += [damage.message for damage in platform.release_store.damaged()]
    return Verification(chains=chains, events=events, findings=(*findings, *gaps))


def _report(findings: Iterable[Finding], tally: Tally, limit: int) -> AuditReport:
    kept: list[Finding] = []
    found = 0
    for finding in findings:
        found += 1
        if len(kept) < limit:
            kept.append(finding)
    return AuditReport(
        chains=tally.chains,
        events=tally.events,
        checkpoints=tally.checkpoints,
        copied=tally.copied,
        covered=tally.covered,
        newest=tally.newest,
        findings=tuple(kept),
        found=found,
    )

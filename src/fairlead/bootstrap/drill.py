"""The scratch place of a rollback drill, in which no effect is executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairlead.bootstrap.opening import open_platform
from fairlead.bootstrap.platform import Platform
from fairlead.core.errors import CodeMismatch, DrillImpossible, FairleadError
from fairlead.core.identity import Principal
from fairlead.core.release import Release
from fairlead.delivery.archive import files_of
from fairlead.delivery.collections import declared_collections
from fairlead.delivery.datasets import declared_datasets
from fairlead.delivery.drill import Drill
from fairlead.delivery.drill_checks import taken_by_all
from fairlead.delivery.resolve import code_digest, read_config
from fairlead.ports.app_files import AppFiles
from fairlead.ports.releases import ReleaseStore
from fairlead.settings import DRILL, Settings

_TAIL = 600
"""Characters of what workers said that a finding quotes."""


@contextmanager
def drilling(platform: Platform, candidate: Release, previous: Release) -> Iterator[Drill]:
    """Yield a drill in a scratch place, which is removed when the block ends.

    Args:
        platform: The open platform; it is only read.
        candidate: The release from which is rolled back.
        previous: The release to which.

    Raises:
        DrillImpossible: No dataset says how one of its workflows is asked.
    """
    from fairlead.adapters.process.spawner import ChildSpawner

    files = _files(platform, candidate)
    cases = _cases(files, candidate, previous)
    with TemporaryDirectory(prefix="fairlead-drill-") as folder:
        settings = scratch_settings(platform.settings, Path(folder))
        log = Path(folder) / "workers.log"
        log.touch()
        with open_platform(settings) as place:
            collections = declared_collections(settings.folder, read_config(files))
            for name, path in collections.items():
                place.ingestion.ingest(Principal().tenant, name, path)
            for release in (previous, candidate):
                archive = platform.release_store.archive(release.archive)
                place.release_store.put(replace(release, bad=False), archive)
            yield Drill(
                place=place,
                candidate=candidate,
                previous=previous,
                cases=cases,
                spawner=ChildSpawner(
                    settings.folder, _environment(settings, candidate, previous), log
                ),
                said=lambda: " ".join(log.read_text(errors="replace")[-_TAIL:].split()),
            )


def scratch_settings(settings: Settings, folder: Path) -> Settings:
    """Return the settings of a drill's scratch place.

    Args:
        settings: The app's settings.
        folder: Where its database goes.
    """
    return replace(
        settings,
        environment=DRILL,
        database_url=f"sqlite:///{folder}/drill.db",
        synchronous="normal",
        drain_s=5.0,
        # What is on a scratch database is nobody's evidence, and nobody's traffic.
        every_s=0.0,
        otlp_endpoint=None,
        identity=replace(settings.identity, required=False),
    )


def artefact_findings(settings: Settings, store: ReleaseStore, release: Release) -> list[str]:
    """Say what of a release is not there to be executed: its archive, or its code in the folder.

    Args:
        settings: The app's settings.
        store: Where the release is kept.
        release: The release.
    """
    from fairlead.adapters.files.app import read_files

    try:
        files_of(release, store.archive(release.archive))
    except CodeMismatch as error:
        return [str(error)]
    except FairleadError as error:
        try:
            here = code_digest(read_files(settings.folder))
        except FairleadError:
            here = ""
        # Without an archive, a folder with its code is what there is.
        return [] if not release.archive and here == release.manifest.code_digest else [str(error)]
    return []


def _files(platform: Platform, release: Release) -> AppFiles:
    """Return a release's files: from its archive, else those of the app's folder."""
    from fairlead.adapters.files.app import read_files

    if release.archive:
        return files_of(release, platform.release_store.archive(release.archive))
    return read_files(platform.settings.folder)


def _cases(files: AppFiles, *releases: Release) -> Sequence[tuple[str, Any]]:
    """Return inputs that all of the releases take, of each workflow in turns."""
    from fairlead.adapters.evals.dataset import parse_dataset

    datasets = declared_datasets(files, read_config(files), parse_dataset)
    columns = [
        [(one.workflow, case.inputs) for case in one.cases if takes(case.inputs)]
        for one in datasets
        if (takes := taken_by_all(one.workflow, [each.manifest for each in releases])) is not None
    ]
    most = max(map(len, columns), default=0)
    cases = [column[n] for n in range(most) for column in columns if n < len(column)]
    if not cases:
        raise DrillImpossible(
            "no [gate.WORKFLOW] names a dataset with an input that both releases take"
        )
    return cases


def _environment(settings: Settings, *releases: Release) -> dict[str, str]:
    """Return what a worker of the scratch place is told."""
    queues = {one.queue for release in releases for one in release.manifest.workflows.values()}
    return {
        "FAIRLEAD_ENVIRONMENT": settings.environment,
        "FAIRLEAD_DATABASE_URL": settings.database_url,
        "FAIRLEAD_DATABASE_SYNCHRONOUS": settings.synchronous,
        "FAIRLEAD_WORKER_QUEUES": ",".join(sorted(queues)),
        "FAIRLEAD_WORKER_DRAIN_S": "5",
        # The drill itself carries its rollout on.
        "FAIRLEAD_WORKER_CONTROLLER": "false",
        "FAIRLEAD_AUDIT_EVERY_S": "0",
    }

"""The gate for an app as it stands in its folder, with a scratch platform for its evaluation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead.authoring.app import App
from fairlead.bootstrap.apps import resolve_app
from fairlead.bootstrap.embedding import open_embedder
from fairlead.bootstrap.opening import open_platform
from fairlead.core.baseline import Baseline
from fairlead.core.errors import ModelKeyMissing
from fairlead.core.identity import Principal
from fairlead.core.release import Manifest
from fairlead.delivery.baseline import made_under
from fairlead.delivery.collections import declared_collections
from fairlead.delivery.datasets import Dataset, declared_datasets, declared_mutation
from fairlead.delivery.decisions import declared_decisions
from fairlead.delivery.digests import digest_findings
from fairlead.delivery.evaluate import Evaluation, ask
from fairlead.delivery.flag_calls import unasked_flags, undeclared_flags
from fairlead.delivery.gate import Gate
from fairlead.delivery.resolve import read_config
from fairlead.ports.app_files import AppFiles
from fairlead.settings import Settings


def make_gate(
    settings: Settings, baseline: Baseline | None = None, *, mutate: bool = False
) -> tuple[Gate, Manifest, AppFiles]:
    """Prepare the gate for an app as it stands in its folder; return what it checks beside it.

    Args:
        settings: The app's settings.
        baseline: The platform's baseline, which stands above the app; None for none.
        mutate: Whether the guardrail tests are tried with small mistakes.
    """
    from fairlead.adapters.cedar.authorizer import compile_policies
    from fairlead.adapters.evals.dataset import parse_dataset
    from fairlead.adapters.evals.decisions import parse_decisions
    from fairlead.adapters.files.app import read_files
    from fairlead.adapters.pydantic_ai.generator import PydanticGenerator

    app, files, asked = resolve_app(settings)
    manifest = made_under(asked, baseline)
    config = read_config(files)
    datasets = declared_datasets(files, config, parse_dataset)
    least = declared_mutation(config)
    candidate = _Candidate(app=app, files=files, manifest=manifest, datasets=datasets)
    gate = Gate(
        app=app,
        manifest=manifest,
        asked=asked,
        compile=compile_policies,
        generator=PydanticGenerator(),
        embedder=_try_embedder,
        today=datetime.now(tz=UTC).date(),
        thresholds={dataset.workflow: dataset.threshold for dataset in datasets},
        evaluate=lambda: _evaluate(settings, candidate),
        decisions=declared_decisions(files, parse_decisions),
        mutation=least if mutate else None,
        changed=lambda: digest_findings(manifest, read_files(settings.folder)),
        # A provider of the app's own has its flags elsewhere.
        flags=lambda: (
            []
            if app.flags is not None
            else [*undeclared_flags(manifest, files), *unasked_flags(files, config)]
        ),
    )
    return gate, manifest, files


def _try_embedder(name: str) -> None:
    """Open an embedding model, and close it; its key is the matter of the worker's environment."""
    with suppress(ModelKeyMissing):
        model = open_embedder(name)
        if model is not None:
            model.close()


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """An app as it stands in its folder, with its datasets."""

    app: App
    files: AppFiles
    manifest: Manifest
    datasets: tuple[Dataset, ...]


def _evaluate(settings: Settings, candidate: _Candidate) -> Evaluation:
    """Run every case as a durable run of the candidate, on a scratch database.

    The scratch database holds the collections that the configuration declares, so that the verdict
    depends on the candidate alone and nothing of it stays.
    """
    from fairlead.adapters.otel.telemetry import collecting_telemetry

    with TemporaryDirectory(prefix="fairlead-gate-") as folder:
        scratch = replace(
            settings,
            database_url=f"sqlite:///{folder}/gate.db",
            synchronous="normal",
            drain_s=5.0,
            # What is on a scratch database is nobody's evidence.
            every_s=0.0,
            # What is asked is the app's own evaluation, in a database of its own.
            identity=replace(settings.identity, required=False),
        )
        telemetry = collecting_telemetry()
        with open_platform(scratch, telemetry=telemetry) as platform:
            for name, path in _collections(settings, candidate.files).items():
                platform.ingestion.ingest(Principal().tenant, name, path)
            release, _ = platform.releases.create(candidate.manifest)
            worker = platform.worker(candidate.app, candidate.files)
            worker.start()
            try:
                asking = ask(platform.admission, platform.journal, release, candidate.datasets)
                evaluation = asyncio.run(asking)
            finally:
                worker.stop()
            # A run's own span follows its recorded end: all of them are out once the worker is.
            return replace(evaluation, signals=tuple(telemetry.signals()))


def _collections(settings: Settings, files: AppFiles) -> dict[str, Path]:
    return declared_collections(settings.folder, read_config(files))

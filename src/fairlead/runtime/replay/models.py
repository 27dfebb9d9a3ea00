"""Which models a replay asks, and whether from the recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fairlead.core.release import Release
from fairlead.core.replay import ModelMode, ReplayTerms
from fairlead.ports.recordings import Recording
from fairlead.runtime.execute import Runner


def asks_otherwise(before: Any, now: Any, workflow: str) -> bool:
    """Say whether one release asks its models otherwise than another one in a workflow.

    Args:
        before: A manifest.
        now: Another one.
        workflow: The workflow.
    """
    return _asked(before, workflow) != _asked(now, workflow)


def live_workflows(
    recordings: Sequence[Recording],
    releases: Mapping[str, Release],
    candidate: Release,
    terms: ReplayTerms,
) -> list[str]:
    """Return the workflows whose models are asked live when recordings are played.

    Args:
        recordings: What is on record of the runs.
        releases: The releases that they were made with, by digest.
        candidate: The release on which they are played.
        terms: What answers calls.
    """
    found = set()
    for run in (one.run for one in recordings if not one.unusable):
        before, now = releases[run.release].manifest, candidate.manifest
        if run.workflow in now.workflows and model_mode(terms, before, now, run.workflow) == "live":
            found.add(run.workflow)
    return sorted(found)


def models_of(runner: Runner, release: Release, workflows: Iterable[str]) -> list[str]:
    """Return the names of the models that workflows may ask.

    Args:
        runner: A runner of the app's code.
        release: The release that is tried.
        workflows: Workflows of it.
    """
    found = set()
    for workflow in workflows:
        terms = release.manifest.workflows[workflow]
        found |= {name for name in (terms.model, *terms.fallbacks) if name}
        declared = runner.app.workflows[workflow].model
        if not (terms.model or isinstance(declared, str | None)):
            found.add(runner.generator.check(declared))
    return sorted(found)


def model_mode(terms: ReplayTerms, before: Any, now: Any, workflow: str) -> ModelMode:
    """Return what answers the models of a workflow.

    Args:
        terms: What was asked for.
        before: The manifest that a run was made with.
        now: The candidate's.
        workflow: The workflow.
    """
    if terms.model is not None:
        return terms.model
    return "live" if asks_otherwise(before, now, workflow) else "recorded"


def _asked(manifest: Any, workflow: str) -> tuple[Any, ...] | None:
    terms = manifest.workflows.get(workflow)
    if terms is None:
        return None
    contracts = [manifest.contracts.get(name) for name in terms.tools]
    read = [(one.name, one.description, one.parameters) for one in contracts if one is not None]
    asked = (terms.model, terms.model_settings, terms.fallbacks, terms.prompt, terms.output_schema)
    return (*asked, read)

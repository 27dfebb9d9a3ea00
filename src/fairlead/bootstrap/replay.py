"""What plays recorded runs: a runner of the app's code, whose real stores are only read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from fairlead.authoring.app import App
from fairlead.bootstrap.embedding import MINILM, NONE
from fairlead.bootstrap.platform import Platform
from fairlead.ports.flags import NO_FLAGS
from fairlead.ports.mcp import NO_MCP
from fairlead.runtime.execute import Runner, Stores


def replay_runner(platform: Platform, app: App, code: str, *, live: bool) -> Runner:
    """Return a runner whose stores and services a replay takes the place of.

    Args:
        platform: The open platform.
        app: The app, as this process imported it.
        code: Digest of its code.
        live: Whether tools may be really asked: only then is there a way to MCP servers.
    """
    from fairlead.adapters.cedar.authorizer import compile_policies
    from fairlead.adapters.openfeature.flags import OpenFeatureFlags
    from fairlead.adapters.otel.null import NullTelemetry
    from fairlead.adapters.pydantic_ai.generator import PydanticGenerator
    from fairlead.ports.faults import NO_FAULTS

    services = replace(
        platform.services,
        telemetry=NullTelemetry(),
        faults=NO_FAULTS,
        mcp=platform.mcp if live else NO_MCP,
        # A provider of the app's own is somewhere else; flags of a release are evaluated here.
        flags=OpenFeatureFlags(app.name) if app.flags is None else NO_FLAGS,
    )
    return Runner(
        app=app,
        code_digest=code,
        stores=Stores(
            runs=platform.runs,
            releases=platform.release_store,
            documents=platform.documents,
            events=platform.events,
        ),
        services=services,
        generator=PydanticGenerator(),
        compile=compile_policies,
        # Each replay has a seat of its own.
        seats=cast(Any, None),
        worker_id="replay",
    )


def is_remote_embedder(name: str) -> bool:
    """Say whether an embedding model is somewhere else than in this process.

    Args:
        name: As a release names it.
    """
    return name not in ("", NONE, MINILM)

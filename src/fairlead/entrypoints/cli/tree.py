"""The command tree."""

from __future__ import annotations

from typing import get_args

import typer

from fairlead.core.kill import KillScope
from fairlead.entrypoints.cli.commands import (
    audit,
    backups,
    baselines,
    budgets,
    checks,
    conversations,
    dora,
    erasures,
    events,
    gates,
    kills,
    make,
    mcp,
    memory,
    memory_changes,
    people,
    policies,
    releases,
    replay,
    rollouts,
    runs,
    token,
    up,
    work,
)
from fairlead.entrypoints.cli.help import Command, Group

MAKE, RUN, SHIP, LOOK = "Make", "Run", "Ship", "Look"

tree = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="The release and safety layer for agent workflows.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _group(name: str, panel: str, what: str) -> typer.Typer:
    group = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None, help=what)
    tree.add_typer(group, name=name, rich_help_panel=panel)
    return group


tree.command("init", cls=Command, rich_help_panel=MAKE)(make.init)
tree.command("check", cls=Command, rich_help_panel=MAKE)(checks.check)
_intent = _group("intent", MAKE, "The pages that say what workflows are for.")
_intent.command("show", cls=Command)(checks.intent_show)

_mcp = _group("mcp", MAKE, "Tools of MCP servers: what is pinned, and what is served.")
_mcp.command("list", cls=Command)(mcp.list_all)
_mcp.command("pin", cls=Command)(mcp.pin)
_mcp.command("diff", cls=Command)(mcp.diff)

tree.command("ingest", cls=Command, rich_help_panel=RUN)(work.ingest)
tree.command("run", cls=Command, rich_help_panel=RUN)(work.run)
tree.command("worker", cls=Command, rich_help_panel=RUN)(work.worker)
tree.command("up", cls=Command, rich_help_panel=RUN)(up.up)

_release = _group("release", SHIP, "Make releases, compare them, and choose the active one.")
_release.command("create", cls=Command)(releases.create)
_release.command("list", cls=Command)(releases.list_all)
_release.command("show", cls=Command)(releases.show)
_release.command("diff", cls=Command)(releases.diff)
_release.command("activate", cls=Command)(releases.activate)
_gate = _group("gate", SHIP, "What stands between a release and an environment.")
_gate.command("run", cls=Command)(gates.run)
_gate.command("show", cls=Command)(gates.show)
_gate.command("approve", cls=Command)(gates.approve)
_gate.command("deny", cls=Command)(gates.deny)
_environment = _group("environment", SHIP, "What environments ask of releases, and freezes.")
_environment.command("list", cls=Command)(gates.environment_list)
_environment.command("show", cls=Command)(gates.environment_show)
_environment.command("set", cls=Command)(gates.environment_set)
_rollout = _group("rollout", SHIP, "Give a release traffic step by step, by what it does.")
_rollout.command("start", cls=Command)(rollouts.start)
_rollout.command("status", cls=Command)(rollouts.status)
_rollout.command("list", cls=Command)(rollouts.list_all)
_rollout.command("promote", cls=Command)(rollouts.promote)
_rollout.command("pause", cls=Command)(rollouts.pause)
_rollout.command("abort", cls=Command)(rollouts.abort)
tree.command("rollback", cls=Command, rich_help_panel=SHIP)(releases.rollback)
tree.command("replay", cls=Command, rich_help_panel=SHIP)(replay.replay)
_baseline = _group("baseline", SHIP, "The platform's policies and limits, above every app.")
_baseline.command("check", cls=Command)(baselines.check)
_baseline.command("try", cls=Command)(baselines.try_out)
_baseline.command("publish", cls=Command)(baselines.publish)
_baseline.command("enforce", cls=Command)(baselines.enforce)
_baseline.command("list", cls=Command)(baselines.list_all)
_baseline.command("show", cls=Command)(baselines.show)
_baseline.command("diff", cls=Command)(baselines.diff)
_policy = _group("policy", SHIP, "Try policies before they count.")
_policy.command("try", cls=Command)(policies.try_out)
_policy.command("diffs", cls=Command)(policies.diffs)

_runs = _group("runs", LOOK, "Look at runs, stop, hold, repeat and prune them, and talk to them.")
_runs.command("list", cls=Command)(runs.list_all)
_runs.command("show", cls=Command)(runs.show)
_runs.command("cancel", cls=Command)(runs.cancel)
_runs.command("pause", cls=Command)(runs.pause)
_runs.command("resume", cls=Command)(runs.resume)
_runs.command("retry", cls=Command)(runs.retry)
_runs.command("fork", cls=Command)(runs.fork)
_runs.command("move", cls=Command)(runs.move)
_runs.command("send", cls=Command)(runs.send)
_runs.command("stream", cls=Command)(runs.stream)
_runs.command("prune", cls=Command)(runs.prune)
tree.command("feedback", cls=Command, rich_help_panel=LOOK)(rollouts.feedback)
tree.command("dora", cls=Command, rich_help_panel=LOOK)(dora.dora)
_conversations = _group("conversations", LOOK, "Series of runs that read what was said before.")
_conversations.command("list", cls=Command)(conversations.list_all)
_conversations.command("show", cls=Command)(conversations.show)
_approvals = _group("approvals", LOOK, "What people are asked: list, approve, deny.")
_approvals.command("list", cls=Command)(people.approvals_list)
_approvals.command("show", cls=Command)(people.approvals_show)
_approvals.command("approve", cls=Command)(people.approve)
_approvals.command("deny", cls=Command)(people.deny)
_effects = _group("effects", LOOK, "The ledger of effects, and those that nobody knows of.")
_effects.command("list", cls=Command)(people.effects_list)
_effects.command("resolve", cls=Command)(people.effects_resolve)
_budgets = _group("budgets", LOOK, "What runs may use together, and how much of it is used.")
_budgets.command("list", cls=Command)(budgets.list_all)
_kill = _group("kill", LOOK, "Stop an app, workflow, release, tool, model or tenant everywhere.")
for _scope in get_args(KillScope):
    _kill.command(_scope, cls=Command)(kills.killing(_scope))
_kill.command("list", cls=Command)(kills.list_all)
_kill.command("lift", cls=Command)(kills.lift)
_memory = _group("memory", LOOK, "What apps remember: find it, correct it, take it back.")
_memory.command("search", cls=Command)(memory.search)
_memory.command("show", cls=Command)(memory.show)
_memory.command("history", cls=Command)(memory.history)
_memory.command("stats", cls=Command)(memory.stats)
_memory.command("add", cls=Command)(memory_changes.add)
_memory.command("supersede", cls=Command)(memory_changes.supersede)
_memory.command("quarantine", cls=Command)(memory_changes.quarantine)
_memory.command("promote", cls=Command)(memory_changes.promote)
_memory.command("retract", cls=Command)(memory_changes.retract)
_memory.command("forget", cls=Command)(memory_changes.forget)
_memory.command("embed", cls=Command)(memory_changes.embed)
_memory.command("export", cls=Command)(memory.export)
_memory.command("erase", cls=Command)(erasures.erase)
_memory.command("verify", cls=Command)(erasures.verify)
_events = _group("events", LOOK, "Read the event log, and prove that nobody changed it.")
_events.command("list", cls=Command)(events.list_all)
_events.command("verify", cls=Command)(events.verify)
_audit = _group("audit", LOOK, "Sign what the event log holds, verify it, and export it.")
_audit.command("init", cls=Command)(audit.init)
_audit.command("checkpoint", cls=Command)(audit.checkpoint)
_audit.command("verify", cls=Command)(audit.verify)
_audit.command("export", cls=Command)(audit.export)
tree.command("backup", cls=Command, rich_help_panel=LOOK)(backups.backup)
tree.command("restore", cls=Command, rich_help_panel=LOOK)(backups.restore)
_token = _group("token", LOOK, "Tokens that say who asks: make the key, sign one, read one.")
_token.command("init", cls=Command)(token.init)
_token.command("create", cls=Command)(token.create)
_token.command("show", cls=Command)(token.show)
tree.command("version", cls=Command, rich_help_panel=LOOK)(make.version)

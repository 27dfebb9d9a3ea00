"""The platform lane: what an operator's code may do. The command line does no more than this."""

from __future__ import annotations

from fairlead.bootstrap import Platform, open_platform, resolve_app
from fairlead.core.environments import EnvironmentRules
from fairlead.core.erasure import Erasure, Target, Trace
from fairlead.core.kill import Kill
from fairlead.core.pairs import PairTerms
from fairlead.core.release import Release
from fairlead.core.release_changes import ReleaseChange
from fairlead.core.replay import ReplayTerms, ToolPolicy
from fairlead.core.rollout import Rollout, RolloutTerms
from fairlead.core.tokens import Grant
from fairlead.delivery.gate import CheckRun
from fairlead.delivery.replay import ReplayReport, replay_check
from fairlead.memory.ingest import Ingested
from fairlead.operations.audit import (
    AuditKey,
    AuditReport,
    Verification,
    export_audit,
    init_audit,
    list_events,
    make_checkpoint,
    verify_audit,
    verify_events,
    verify_export,
)
from fairlead.operations.backup import (
    AfterRestore,
    Restored,
    RestoreOptions,
    back_up_store,
    drill_store,
    restore_store,
)
from fairlead.operations.baselines import (
    BaselineRow,
    Live,
    check_baseline,
    create_release,
    diff_baselines,
    enforce_baseline,
    list_baselines,
    live_releases,
    publish_baseline,
    try_baseline,
)
from fairlead.operations.bounds import (
    BudgetUse,
    Pulled,
    lift_kill,
    list_budgets,
    list_kills,
    pull_kill,
)
from fairlead.operations.checking import GateReport, check_app
from fairlead.operations.comparing import compare_releases
from fairlead.operations.control import (
    Controlled,
    Selection,
    Verb,
    answer_approval,
    control_runs,
    read_stream,
    resolve_effect,
    select_runs,
    send_signal,
    show_approval,
)
from fairlead.operations.conversations import (
    Conversation,
    list_conversations,
    show_conversation,
)
from fairlead.operations.dora import measure_delivery, rollback_readiness
from fairlead.operations.erasure import (
    ErasureReport,
    erase,
    reapply,
    resume_erasure,
    verify_erasure,
)
from fairlead.operations.gates import (
    EnvironmentReport,
    GatesReport,
    answer_gate,
    list_environments,
    read_environment_rules,
    run_gates,
    set_environment,
    show_environment,
    show_gates,
)
from fairlead.operations.identity import (
    acting,
    asking,
    authenticate,
    create_token,
    make_token_key,
    operator,
    reach,
    reached_run,
    token_claims,
)
from fairlead.operations.ingesting import ingest
from fairlead.operations.mcp import (
    ServerState,
    ToolDifference,
    diff_mcp,
    list_mcp,
    pin_mcp,
)
from fairlead.operations.memory import (
    MemoryFound,
    MemoryItem,
    memory_history,
    memory_stats,
    search_memory,
    show_memory,
)
from fairlead.operations.memory_changes import (
    Retraction,
    Settled,
    add_memory,
    forget_memory,
    promote_memory,
    quarantine_memory,
    retract_memory,
    supersede_memory,
)
from fairlead.operations.memory_embedding import Embedded, embed_memory
from fairlead.operations.memory_files import (
    ExportOrder,
    Imported,
    ImportOrder,
    export_memory,
    import_memory,
)
from fairlead.operations.moving import fork_run, fork_runs, move_runs
from fairlead.operations.policies import DifferenceGroup, policy_differences, try_policies
from fairlead.operations.pruning import prune_runs
from fairlead.operations.releases import activate_release, roll_back_release
from fairlead.operations.replay import ReplayOptions, ReplaySelection, replay_runs
from fairlead.operations.requests import (
    PolicyContext,
    make_supervisor,
    make_worker,
    orphaned,
    outcome_of_run,
    route_request,
    working,
)
from fairlead.operations.rollback_drill import RollbackDrill, drill_rollback
from fairlead.operations.rollouts import (
    RolloutStatus,
    abort_rollout,
    give_feedback,
    list_deployments,
    list_rollouts,
    pause_rollout,
    promote_rollout,
    read_rollout_terms,
    roll_back_rollout,
    rollout_status,
    start_rollout,
)
from fairlead.ports.approvals import ApprovalRecord
from fairlead.ports.audit import ExportScope
from fairlead.ports.backup import Written
from fairlead.ports.conversations import ConversationRecord, TurnRecord
from fairlead.ports.effects import EffectRecord
from fairlead.ports.environments import Ruled
from fairlead.ports.memory import MemoryStats, Reach, Roots
from fairlead.ports.memory_exports import MemoryExport
from fairlead.ports.pruning import Pruned
from fairlead.ports.rollouts import Deployment, Heard
from fairlead.ports.runs import Order, RunRecord
from fairlead.ports.waits import Signal
from fairlead.ports.workers import WorkerRecord
from fairlead.runtime.admission import StartOptions
from fairlead.runtime.orphan import Orphan
from fairlead.runtime.supervisor import Supervisor
from fairlead.runtime.worker import Worker
from fairlead.settings import Settings, load_settings

# Names in the order of the alphabet, several to a line: one to a line is longer than a page.
# fmt: off
__all__ = [
    "AfterRestore", "ApprovalRecord", "AuditKey", "AuditReport", "BaselineRow", "BudgetUse",
    "CheckRun", "Controlled", "Conversation", "ConversationRecord", "Deployment",
    "DifferenceGroup", "EffectRecord", "Embedded", "EnvironmentReport", "EnvironmentRules",
    "Erasure", "ErasureReport", "ExportOrder", "ExportScope", "GateReport", "GatesReport", "Grant",
    "Heard", "ImportOrder", "Imported", "Ingested", "Kill", "Live", "MemoryExport", "MemoryFound",
    "MemoryItem", "MemoryStats", "Order", "Orphan", "PairTerms", "Platform", "PolicyContext",
    "Pruned", "Pulled", "Reach", "Release", "ReleaseChange", "ReplayOptions", "ReplayReport",
    "ReplaySelection", "ReplayTerms", "RestoreOptions", "Restored", "Retraction", "RollbackDrill",
    "Rollout", "RolloutStatus", "RolloutTerms", "Roots", "Ruled", "RunRecord", "Selection",
    "ServerState", "Settings", "Settled", "Signal", "StartOptions", "Supervisor", "Target",
    "ToolDifference", "ToolPolicy", "Trace", "TurnRecord", "Verb", "Verification", "Worker",
    "WorkerRecord", "Written", "abort_rollout", "acting", "activate_release", "add_memory",
    "answer_approval", "answer_gate", "asking", "authenticate", "back_up_store", "check_app",
    "check_baseline", "compare_releases", "control_runs", "create_release", "create_token",
    "diff_baselines", "diff_mcp", "drill_rollback", "drill_store", "embed_memory",
    "enforce_baseline", "erase", "export_audit", "export_memory", "forget_memory", "fork_run",
    "fork_runs", "give_feedback", "import_memory", "ingest", "init_audit", "lift_kill",
    "list_baselines", "list_budgets", "list_conversations", "list_deployments",
    "list_environments", "list_events", "list_kills", "list_mcp", "list_rollouts",
    "live_releases", "load_settings", "make_checkpoint", "make_supervisor", "make_token_key",
    "make_worker", "measure_delivery", "memory_history", "memory_stats", "move_runs",
    "open_platform", "operator", "orphaned", "outcome_of_run", "pause_rollout", "pin_mcp",
    "policy_differences", "promote_memory", "promote_rollout", "prune_runs", "publish_baseline",
    "pull_kill", "quarantine_memory", "reach", "reached_run", "read_environment_rules",
    "read_rollout_terms", "read_stream", "reapply", "replay_check", "replay_runs",
    "resolve_app", "resolve_effect", "restore_store", "resume_erasure", "retract_memory",
    "roll_back_release", "roll_back_rollout", "rollback_readiness", "rollout_status",
    "route_request", "run_gates", "search_memory", "select_runs", "send_signal",
    "set_environment", "show_approval", "show_conversation", "show_environment", "show_gates",
    "show_memory", "start_rollout", "supersede_memory", "token_claims", "try_baseline",
    "try_policies", "verify_audit", "verify_erasure", "verify_events", "verify_export",
    "working",
]
# fmt: on

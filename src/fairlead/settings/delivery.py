"""The settings of delivery: how rollouts are watched, and workers kept."""

from __future__ import annotations

from fairlead.settings.setting import Setting

DELIVERY_SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="worker.controller",
        default="true",
        env="FAIRLEAD_WORKER_CONTROLLER",
        meaning="Whether a worker carries rollouts on beside its runs; `fairlead up` does so too.",
    ),
    Setting(
        key="delivery.tick_s",
        default="0.25",
        env="FAIRLEAD_DELIVERY_TICK_S",
        meaning="Seconds between two looks at what a rollout's runs say.",
    ),
    Setting(
        key="delivery.stranded_after_s",
        default="30",
        env="FAIRLEAD_DELIVERY_STRANDED_AFTER_S",
        meaning="Seconds for which a run may wait for a worker of its code; then it is stranded.",
    ),
    Setting(
        key="delivery.keep_workers_s",
        default="600",
        env="FAIRLEAD_DELIVERY_KEEP_WORKERS_S",
        meaning="Seconds for which `fairlead up` keeps the worker of code that is drained, so that "
        "a rollback finds it.",
    ),
    Setting(
        key="delivery.workers_max",
        default="8",
        env="FAIRLEAD_DELIVERY_WORKERS_MAX",
        meaning="Most worker processes of `fairlead up` on one machine, one for each code.",
    ),
    Setting(
        key="delivery.retire_after_s",
        default="2592000",
        env="FAIRLEAD_DELIVERY_RETIRE_AFTER_S",
        meaning="Seconds after which a drained release counts as retired.",
    ),
)
"""How a process watches over rollouts and workers."""

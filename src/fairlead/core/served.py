"""A model's name is a promise: an answer by another model is a fact of its run."""

from __future__ import annotations

from fairlead.core.calls import Call, Done, Result
from fairlead.core.event import Fact


def changed_model(call: Call, result: Result) -> Fact | None:
    """Return the fact that another model answered than the one that was asked for.

    The ids must be equal. A provider that answers for `gpt-5` with `gpt-5-2025-08-07` has chosen
    for the release; a release that names the dated id has chosen for itself, and gets no event.

    Args:
        call: What was asked; a model's name is `provider:model`.
        result: How it came back.

    Returns:
        The fact; None when the right model answered, or nobody says who did.
    """
    if call.kind != "model" or not isinstance(result, Done) or not result.served_by:
        return None
    asked = call.name.partition(":")[2] or call.name
    if result.served_by == asked:
        return None
    return Fact(
        chain=f"run:{call.run_id}",
        type="model.changed",
        data={"asked": call.name, "served_by": result.served_by},
    )

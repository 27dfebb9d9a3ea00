"""The secrets of one call: what its contract names, as the worker's environment has it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.core.calls import Call
from fairlead.core.errors import SecretMissing, SecretUndeclared
from fairlead.core.secrets import SECRET_CHARS_MIN
from fairlead.ports.secrets import SecretSource
from fairlead.runtime.handed import HANDED_OUT
from fairlead.runtime.scope import RunScope


@dataclass(frozen=True)
class CallVault:
    """Hands out what one tool declares.

    Attributes:
        tool: The tool.
        values: Values by name; never shown.
    """

    tool: str
    values: dict[str, str] = field(repr=False)

    def read(self, name: str) -> str:
        """Return a secret's value."""
        if name not in self.values:
            raise SecretUndeclared(f"tool {self.tool} does not declare secret {name}")
        return self.values[name]


def vault_of(call: Call, scope: RunScope, source: SecretSource) -> CallVault | None:
    """Return the secrets of a call of a tool; None for what is no tool.

    The process's log leaves them out from now on.

    Raises:
        SecretMissing: One that the contract names is not there, or too short.
    """
    if call.kind != "tool":
        return None
    values = {}
    for name in _names(call, scope):
        value = source.get(name)
        if value is None or len(value) < SECRET_CHARS_MIN:
            what = "is not set" if not value else f"has under {SECRET_CHARS_MIN} characters"
            raise SecretMissing(f"secret {name} of tool {call.name} {what}")
        values[name] = value
    HANDED_OUT.note(values.items())
    return CallVault(call.name, values)


def handed_out(call: Call, scope: RunScope, source: SecretSource) -> list[tuple[str, str]]:
    """Return names and values of what a call's body could read."""
    found = ((name, source.get(name)) for name in _names(call, scope))
    return [(name, value) for name, value in found if value and len(value) >= SECRET_CHARS_MIN]


def _names(call: Call, scope: RunScope) -> tuple[str, ...]:
    contract = scope.rules.contracts.get(call.name) if call.kind == "tool" else None
    return contract.secrets if contract else ()

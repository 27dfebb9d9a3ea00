"""What tools and guardrails may know of the run that calls them."""

from __future__ import annotations

from dataclasses import dataclass, field

from fairlead.core.errors import SecretOutside
from fairlead.core.identity import Principal
from fairlead.core.secrets import Secret, Vault


@dataclass(frozen=True, kw_only=True)
class Context:
    """The run behind a call.

    Attributes:
        run_id: The run.
        workflow: The run's workflow.
        release: Digest of the release that the run is pinned to.
        principal: Who asks.
        conversation: The run's conversation; empty for none.
        idempotency_key: Hand it to the outside system, so that it can tell a repeat; the same on
            every try and every recovery of this call. Empty in guardrails.
        vault: Hands out the secrets that the tool declares, inside its body; None elsewhere.
    """

    run_id: str
    workflow: str
    release: str
    principal: Principal
    conversation: str = ""
    idempotency_key: str = ""
    vault: Vault | None = field(default=None, repr=False, compare=False)

    def secret(self, secret: Secret | str) -> str:
        """Return the value of a secret that the tool declares, inside of the tool's body only.

        Args:
            secret: The handle, or its name.

        Raises:
            SecretOutside: This is not the context of a tool's body.
            SecretUndeclared: The tool does not declare the secret.
        """
        name = secret.name if isinstance(secret, Secret) else secret
        if self.vault is None:
            raise SecretOutside(f"secret {name} was asked for outside of a tool's body")
        return self.vault.read(name)

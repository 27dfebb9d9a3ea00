"""The table `[identity]`: who vouches for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fairlead.core.errors import InvalidConfig
from fairlead.core.identity import LOCAL_ISSUER
from fairlead.core.tokens import ALGORITHMS, KEY_ISSUER, ClaimTerms
from fairlead.settings.setting import Setting, Values

IDENTITY_SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="identity.required",
        default="false",
        meaning="`true` refuses runs, and an operator's commands, without a token.",
    ),
    Setting(
        key="identity.four_eyes",
        default="false",
        meaning="`true` lets nobody agree to a call of a run that they started themselves.",
    ),
    Setting(
        key="identity.key_file",
        default=".fairlead/identity.json",
        env="FAIRLEAD_IDENTITY_KEY_FILE",
        meaning="The key of local tokens; a relative path starts at the app's folder. "
        "`fairlead token init` makes it, readable for its owner alone.",
    ),
    Setting(
        key="identity.audience",
        default="fairlead",
        env="FAIRLEAD_IDENTITY_AUDIENCE",
        meaning="What a token's `aud` must be or contain.",
    ),
    Setting(
        key="identity.lifetime_max_s",
        default="2592000",
        meaning="Longest lifetime of a local token, in seconds; one is valid for 8 hours unless "
        "`--expires` says otherwise.",
    ),
    Setting(
        key="identity.leeway_s",
        default="30",
        meaning="Seconds by which the issuer's clock and this one may differ.",
    ),
    Setting(
        key="identity.issuer",
        default="none",
        env="FAIRLEAD_IDENTITY_ISSUER",
        meaning="The `iss` of an OpenID Connect provider, whose tokens are then accepted as well.",
    ),
    Setting(
        key="identity.jwks_url",
        default="none",
        env="FAIRLEAD_IDENTITY_JWKS_URL",
        meaning="Where that issuer's public keys are: `https://...`, or `http://` on this machine.",
    ),
    Setting(
        key="identity.jwks_file",
        default="none",
        env="FAIRLEAD_IDENTITY_JWKS_FILE",
        meaning="A file with these keys, in place of the address; a relative path starts at the "
        "app's folder.",
    ),
    Setting(
        key="identity.jwks_ttl_s",
        default="300",
        meaning="Seconds after which the keys are read again.",
    ),
    Setting(
        key="identity.jwks_retry_s",
        default="30",
        meaning="The keys are read again for a key that they do not hold, or after a failure, at "
        "most once in so many seconds.",
    ),
    Setting(
        key="identity.jwks_timeout_s",
        default="5",
        meaning="Most seconds to wait for the keys.",
    ),
    Setting(
        key="identity.algorithms",
        default="RS256,ES256",
        meaning="What that issuer may sign with, with commas between; `none` and shared secrets "
        "(`HS256` ...) cannot be allowed.",
    ),
    Setting(
        key="identity.user_claim",
        default="sub",
        meaning="The claim of that issuer's tokens that names the user.",
    ),
    Setting(
        key="identity.tenant_claim",
        default="tenant",
        meaning="The claim that names the tenant; dots lead into tables, as `org.id`.",
    ),
    Setting(
        key="identity.roles_claim",
        default="roles",
        meaning="The claim with the roles, a list or words; unknown ones are passed over.",
    ),
    Setting(
        key="identity.scopes_claim",
        default="scope",
        meaning="The claim with the grants, a list or words.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """An issuer whose tokens are accepted.

    Attributes:
        terms: What its tokens' claims must say.
        algorithms: What it may sign with.
        keys: Its public keys: an address, or a file.
        ttl_s: Seconds after which the keys are read again.
        retry_s: Least seconds between two readings for a key that was not there.
        timeout_s: Most seconds to wait for the keys.
    """

    terms: ClaimTerms
    algorithms: tuple[str, ...]
    keys: str | Path
    ttl_s: float
    retry_s: float
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What `[identity]` says; `IDENTITY_SETTINGS` has the meanings.

    Attributes:
        local: What the claims of local tokens must say.
        issuer: A further issuer; None for none.
    """

    required: bool
    four_eyes: bool
    key_file: Path
    lifetime_max_s: float
    local: ClaimTerms
    issuer: Issuer | None


def read_identity(folder: Path, values: Values) -> Identity:
    """Read the table.

    Args:
        folder: The app's folder.
        values: Looks settings up.

    Raises:
        InvalidConfig: A value is of the wrong kind, or an issuer is half described.
    """
    leeway_s = values.number("identity.leeway_s")
    audience = values.text("identity.audience")
    if not audience:
        raise InvalidConfig("identity.audience must not be empty", key="identity.audience")
    return Identity(
        required=values.truth("identity.required"),
        four_eyes=values.truth("identity.four_eyes"),
        key_file=folder / values.text("identity.key_file"),
        lifetime_max_s=values.number("identity.lifetime_max_s", least=1),
        local=ClaimTerms(issuer=KEY_ISSUER, audience=audience, leeway_s=leeway_s),
        issuer=_issuer(folder, values, audience, leeway_s),
    )


def _issuer(folder: Path, values: Values, audience: str, leeway_s: float) -> Issuer | None:
    algorithms = _algorithms(values.text("identity.algorithms"))
    name = values.text("identity.issuer", "")
    url, file = (values.text(f"identity.jwks_{kind}", "") for kind in ("url", "file"))
    terms = ClaimTerms(
        issuer=name,
        audience=audience,
        user=values.text("identity.user_claim"),
        tenant=values.text("identity.tenant_claim"),
        roles=values.text("identity.roles_claim"),
        scopes=values.text("identity.scopes_claim"),
        leeway_s=leeway_s,
    )
    found = Issuer(
        terms=terms,
        algorithms=algorithms,
        keys=_address(url) if url else folder / file,
        ttl_s=values.number("identity.jwks_ttl_s", least=1),
        retry_s=values.number("identity.jwks_retry_s", least=1),
        timeout_s=values.number("identity.jwks_timeout_s", least=0.1),
    )
    if not name and not url and not file:
        return None
    if not name or bool(url) == bool(file):
        raise InvalidConfig(
            "identity.issuer goes with exactly one of identity.jwks_url and identity.jwks_file",
            key="identity.issuer",
        )
    if name in (KEY_ISSUER, LOCAL_ISSUER):
        raise InvalidConfig(
            f"identity.issuer cannot be {name!r}: it is taken", key="identity.issuer"
        )
    return found


def _algorithms(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in ALGORITHMS]
    if unknown or not names:
        raise InvalidConfig(
            f"identity.algorithms must be of {', '.join(sorted(ALGORITHMS))}, not {text!r}",
            key="identity.algorithms",
        )
    return names


def _address(url: str) -> str:
    parts = urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or parts.username or parts.scheme not in ("https", "http"):
        raise InvalidConfig("identity.jwks_url must be https://HOST/...", key="identity.jwks_url")
    if parts.scheme == "http" and not here:
        raise InvalidConfig(
            "identity.jwks_url must be https: whoever changes the keys on their way is anybody",
            key="identity.jwks_url",
        )
    return url

"""Tokens with real keys: what is signed as it must be names a principal, and nothing else does."""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jwt

from fairlead import Principal
from fairlead.adapters.jose.tokens import JoseTokens
from fairlead.core.errors import FairleadError, KeysUnavailable
from fairlead.core.tokens import TOKEN_BYTES_MAX, Grant
from tests.unit.adapters.jose.bench import ISSUER, NOW, claims, key, public, token, tokens_of

ALL = "RS256,PS256,ES256,Ed25519,EdDSA"
ADA = Principal(
    user="ada", tenant="acme", roles=("approver",), scopes=("refunds:write",), issuer=ISSUER
)


def refusal(tokens: JoseTokens, text: str) -> str:
    """Return the code with which a token is refused; no message quotes it."""
    with pytest.raises(FairleadError) as caught:
        tokens.verify(text)
    error: BaseException | None = caught.value
    while error is not None:
        for part in text.split("."):
            assert len(part) < 12 or part not in f"{error!r} {error.__dict__}"
        error = error.__cause__
    return caught.value.code


def encoded(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], body: Any, signature: bytes = b"") -> str:
    return f"{encoded(header)}.{encoded(body)}.{encoded(signature)}"


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("RSA", "RS256"), ("RSA", "PS256"), ("EC", "ES256"), ("OKP", "Ed25519")]
)
def test_a_providers_token_names_a_principal(tmp_path: Path, kind: str, algorithm: str) -> None:
    tokens = tokens_of(tmp_path, public(key(kind), use="sig"), algorithms=ALL)
    assert tokens.verify(token(key(kind), algorithm)) == ADA


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_an_older_provider_says_eddsa(tmp_path: Path) -> None:
    tokens = tokens_of(tmp_path, public(key("OKP"), alg="EdDSA"), algorithms="EdDSA")
    signed = jwt.encode(
        {"alg": "EdDSA", "kid": "k1"}, {"iss": ISSUER}, key("OKP"), algorithms=["EdDSA"]
    )
    assert refusal(tokens, signed) == "FL-536"  # its signature holds; its audience does not


def test_a_token_without_a_key_name_is_read_with_the_only_key(tmp_path: Path) -> None:
    nameless = jwk.ECKey.import_key({**key("EC").as_dict(private=True), "kid": ""})
    text = token(nameless, "ES256", {"kid": None})
    assert tokens_of(tmp_path, public(key("EC"))).verify(text) == ADA
    two = tokens_of(tmp_path, public(key("EC"), key("EC", "k2")))
    assert refusal(two, text) == "FL-533"


REFUSED = [
    pytest.param("", "FL-531", id="empty"),
    pytest.param("abc", "FL-531", id="no token"),
    pytest.param("a.b.c.d.e", "FL-531", id="encrypted"),
    pytest.param("ä.b.c", "FL-531", id="no ASCII"),
    pytest.param("!!!!.e30.aaaa", "FL-531", id="no base64"),
    pytest.param(unsigned({}, []), "FL-531", id="no claims"),
    pytest.param(f"{encoded(b'[' * 5000)}.e30.aaaa", "FL-531", id="nested"),
    pytest.param(f"{encoded({'alg': 'ES256', 'kid': 7})}.e30.aaaa", "FL-531", id="odd key name"),
    pytest.param("e30." + "a" * TOKEN_BYTES_MAX + ".a", "FL-531", id="oversize"),
    pytest.param(unsigned({"alg": "none", "kid": "k1"}, {"iss": ISSUER}), "FL-532", id="none"),
    pytest.param(unsigned({"alg": "nOnE", "kid": "k1"}, {"iss": ISSUER}), "FL-532", id="nOnE"),
    pytest.param(unsigned({"kid": "k1"}, {"iss": ISSUER}), "FL-532", id="no algorithm"),
    pytest.param(unsigned({"alg": ["ES256"]}, {"iss": ISSUER}), "FL-532", id="a list of them"),
    pytest.param(unsigned({"alg": "ES256", "kid": "k1"}, {"iss": "x"}), "FL-536", id="issuer"),
    pytest.param(unsigned({"alg": "ES256", "kid": "k1"}, {}), "FL-536", id="no issuer"),
    pytest.param(unsigned({"alg": "ES256", "kid": "k1"}, {"iss": "local"}), "FL-536", id="local"),
    pytest.param(
        unsigned({"alg": "ES256", "kid": "k1"}, {"iss": ISSUER}), "FL-534", id="no signature"
    ),
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_what_is_no_good_token_is_refused(tmp_path: Path, text: str, code: str) -> None:
    assert refusal(tokens_of(tmp_path, public(key("EC"))), text) == code


def test_claims_count_only_after_the_signature(tmp_path: Path) -> None:
    tokens = tokens_of(tmp_path, public(key("EC")))
    assert refusal(tokens, token(key("EC"), "ES256", aud="other")) == "FL-536"
    assert refusal(tokens, token(key("EC"), "ES256", exp=NOW - 31)) == "FL-535"
    assert refusal(tokens, token(key("EC"), "ES256", nbf=NOW + 31)) == "FL-535"
    assert refusal(tokens, token(key("EC"), "ES256", tenant=...)) == "FL-531"
    assert refusal(tokens, token(key("EC", "k2"), "ES256")) == "FL-533"
    other = jwk.ECKey.generate_key("P-256", {"kid": "k1"})
    assert refusal(tokens, token(other, "ES256")) == "FL-534"


def test_a_public_key_is_no_shared_secret(tmp_path: Path) -> None:
    """The classic confusion: sign with HS256, and with the public key's text as the secret."""
    tokens = tokens_of(tmp_path, public(key("RSA")), algorithms=ALL)
    said = unsigned({"alg": "HS256", "kid": "k1"}, claims()).rpartition(".")[0]
    for secret in (key("RSA").as_pem(private=False), json.dumps(public(key("RSA"))).encode()):
        signature = hmac.digest(secret, said.encode(), "sha256")
        assert refusal(tokens, f"{said}.{encoded(signature)}") == "FL-532"


def test_a_shared_secret_among_the_keys_is_passed_over(tmp_path: Path) -> None:
    secret = jwk.OctKey.generate_key(256, {"kid": "k1"})
    tokens = tokens_of(tmp_path, {"keys": [secret.as_dict(private=True)]})
    forged = token(secret, "HS256")
    assert refusal(tokens, forged) == "FL-532"
    relabelled = encoded({"alg": "ES256", "kid": "k1"}) + "." + forged.partition(".")[2]
    assert refusal(tokens, relabelled) == "FL-533"


@pytest.mark.parametrize(
    "change", [{"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}, {"kty": "RSA"}, {"x": "?"}]
)
def test_a_key_for_something_else_verifies_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    tokens = tokens_of(tmp_path, public(key("EC"), **change))
    assert refusal(tokens, token(key("EC"), "ES256")) in ("FL-533", "FL-534")


@pytest.mark.filterwarnings("ignore")
def test_a_short_rsa_key_verifies_nothing(tmp_path: Path) -> None:
    short = jwk.RSAKey.generate_key(1024, {"kid": "k1"})
    assert refusal(tokens_of(tmp_path, public(short)), token(short, "RS256")) == "FL-533"


def test_a_key_that_the_token_brings_along_is_not_used(tmp_path: Path) -> None:
    thief = jwk.ECKey.generate_key("P-256", {"kid": "k1"})
    brought = {"jwk": thief.as_dict(private=False), "jku": "https://evil.example/jwks.json"}
    tokens = tokens_of(tmp_path, public(key("EC")))
    assert refusal(tokens, token(thief, "ES256", brought)) == "FL-534"


@given(data=st.data())
def test_a_changed_token_is_never_accepted(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    tokens = tokens_of(tmp_path_factory.mktemp("app"), public(key("EC")))
    good = token(key("EC"), "ES256")
    place = data.draw(st.integers(0, len(good) - 1))
    changed = good[:place] + data.draw(st.characters(codec="ascii")) + good[place + 1 :]
    try:
        found = tokens.verify(changed)
    except FairleadError as error:
        assert error.code.startswith("FL-53")
    else:
        # The last letter of a part may hold bits that stand for nothing.
        assert found == ADA


@given(text=st.text(max_size=200) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,80}\.[\w-]{0,40}"))
def test_any_text_is_refused_with_a_code(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    tokens = tokens_of(tmp_path_factory.mktemp("app"), public(key("EC")))
    assert refusal(tokens, text).startswith("FL-53")


# ----------------------------------------------------------------------------------- the local key

GRANT = Grant(user="ada", tenant="acme", roles=("approver",), scopes=("refunds:write",))


def test_a_local_token_names_a_principal_and_who_vouches(tmp_path: Path) -> None:
    tokens = tokens_of(tmp_path)
    signed = tokens.sign(GRANT)
    assert tokens.verify(signed) == Principal(
        user="ada",
        tenant="acme",
        roles=("approver",),
        scopes=("refunds:write",),
        issuer="fairlead",
    )
    said = tokens.claims(signed)
    assert said["exp"] - said["iat"] == 8 * 3600
    assert set(said) >= {"iss", "aud", "sub", "tenant", "roles", "scope", "nbf", "jti"}


def test_a_local_token_of_another_app_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    here, there = tokens_of(tmp_path / "a"), tokens_of(tmp_path / "b")
    signed = there.sign(GRANT)
    with pytest.raises(KeysUnavailable):
        here.verify(signed)
    here.make_key()
    assert refusal(here, signed) == "FL-533"


def test_a_provider_cannot_sign_a_local_token(tmp_path: Path) -> None:
    tokens = tokens_of(tmp_path, public(key("OKP")), algorithms=ALL)
    tokens.make_key()
    assert refusal(tokens, token(key("OKP"), "Ed25519", iss="fairlead")) == "FL-533"
    assert refusal(tokens, token(key("RSA"), "RS256", iss="fairlead")) == "FL-532"


def test_without_a_provider_its_tokens_are_foreign(tmp_path: Path) -> None:
    assert refusal(tokens_of(tmp_path), token(key("EC"), "ES256")) == "FL-536"


def test_invariant_11_a_local_token_ends(tmp_path: Path) -> None:
    tokens = tokens_of(tmp_path, lifetime_max_s="60")
    with pytest.raises(FairleadError, match="60 seconds"):
        tokens.sign(GRANT)


def test_invariant_11_a_token_is_bounded(tmp_path: Path) -> None:
    padded = token(key("EC"), "ES256", more="x" * TOKEN_BYTES_MAX)
    with pytest.raises(FairleadError, match=f"longer than {TOKEN_BYTES_MAX}"):
        tokens_of(tmp_path, public(key("EC"))).verify(padded)
    scopes = tuple(f"{number:03}{'x' * 190}" for number in range(100))
    grant = Grant(user="ada", tenant="acme", scopes=scopes)
    with pytest.raises(FairleadError, match="would be longer"):
        tokens_of(tmp_path).sign(grant)

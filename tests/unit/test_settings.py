"""Settings: which databases can be named, and what is never shown of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.core.errors import InvalidConfig, InvalidEnvironment
from fairlead.settings import SETTINGS, Settings, load_settings


def read(folder: Path, url: str) -> Settings:
    (folder / "fairlead.toml").write_text('[app]\nname = "x"\n')
    return load_settings(folder, {"FAIRLEAD_DATABASE_URL": url})


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_postgresql_database_can_be_named(tmp_path: Path, scheme: str) -> None:
    rest = "ann:s3cr3t@db.example:5433/prod?sslmode=require"
    assert read(tmp_path, f"{scheme}://{rest}").database_url == f"postgresql://{rest}"


@pytest.mark.parametrize("url", ["mysql://ann:s3cr3t@host/db", "ann:s3cr3t@host", "sqlite://x"])
def test_another_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(InvalidConfig, match="postgresql://") as caught:
        read(tmp_path, url)
    assert "s3cr3t" not in str(caught.value)


def test_settings_are_shown_without_the_address(tmp_path: Path) -> None:
    assert "s3cr3t" not in repr(read(tmp_path, "postgresql://ann:s3cr3t@host/db"))


@pytest.mark.parametrize("name", ["", "*", "a b", "-x", "e" * 61])
def test_what_names_no_environment_is_worked_in_by_nobody(tmp_path: Path, name: str) -> None:
    file = tmp_path / "fairlead.toml"
    file.write_text('[app]\nenvironment = "staging"\n')
    with pytest.raises(InvalidEnvironment, match="environment"):
        load_settings(tmp_path, {"FAIRLEAD_ENVIRONMENT": name})
    with pytest.raises(InvalidEnvironment):
        replace(load_settings(tmp_path, {}), environment=name)
    assert load_settings(tmp_path, {"FAIRLEAD_ENVIRONMENT": "eu-1"}).environment == "eu-1"
    file.write_text(f'[app]\nenvironment = "{name}"\n')
    with pytest.raises(InvalidEnvironment):
        load_settings(tmp_path, {})


ANCHORS = {
    setting.env: setting.key
    for setting in SETTINGS
    if setting.env and setting.key.startswith("identity.")
}


@pytest.mark.parametrize("variable", ANCHORS)
def test_where_identity_is_required_no_variable_says_who_vouches(
    tmp_path: Path, variable: str
) -> None:
    (tmp_path / "fairlead.toml").write_text("[identity]\nrequired = true\n")
    with pytest.raises(InvalidConfig, match=f"{variable} names another {ANCHORS[variable]} than"):
        load_settings(tmp_path, {variable: "evil.json"})


def test_a_variable_that_says_what_the_file_says_is_no_other_one(tmp_path: Path) -> None:
    file = tmp_path / "fairlead.toml"
    given = {"FAIRLEAD_IDENTITY_KEY_FILE": "a.json"}
    file.write_text('[identity]\nrequired = true\nkey_file = "a.json"\n')
    assert load_settings(tmp_path, given).identity.key_file.name == "a.json"
    file.write_text('[identity]\nrequired = false\nkey_file = "b.json"\n')
    assert load_settings(tmp_path, given).identity.key_file.name == "a.json"


ISSUER = 'issuer = "https://id.example"\n'
URL = 'jwks_url = "https://id.example/keys"\n'
WRONG = [
    pytest.param(ISSUER, "exactly one", id="no keys"),
    pytest.param(URL, "exactly one", id="no issuer"),
    pytest.param(f'{ISSUER}{URL}jwks_file = "x"\n', "exactly one", id="keys twice"),
    pytest.param('issuer = "fairlead"\njwks_file = "x"\n', "is taken", id="the local key's name"),
    pytest.param('issuer = "local"\njwks_file = "x"\n', "is taken", id="nobody's name"),
    pytest.param(f'{ISSUER}jwks_url = "http://id.example/keys"\n', "https", id="plain http"),
    pytest.param(f'{ISSUER}jwks_url = "file:///etc/passwd"\n', "https", id="a file as an address"),
    pytest.param(f'{ISSUER}jwks_url = "https://u:s3cr3t@h/k"\n', "https", id="a password"),
    pytest.param('algorithms = "none"\n', "must be of", id="none"),
    pytest.param('algorithms = "RS256,HS256"\n', "must be of", id="a shared secret"),
    pytest.param('algorithms = ""\n', "must be of", id="no algorithm"),
    pytest.param('audience = ""\n', "must not be empty", id="no audience"),
    pytest.param('required = "yes"\n', "true or false", id="no truth"),
    pytest.param("required = 1\n", "true or false", id="a number"),
    pytest.param("lifetime_max_s = inf\n", "at least", id="for ever"),
    pytest.param("leeway_s = -1\n", "at least", id="a leeway below 0"),
    pytest.param("jwks_timeout_s = 0\n", "at least", id="no time"),
]


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_an_issuer_that_would_be_trusted_by_mistake_is_refused(
    tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "fairlead.toml").write_text(f"[identity]\n{text}")
    with pytest.raises(InvalidConfig, match=why) as caught:
        load_settings(tmp_path, {})
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_keys_of_this_machine_may_come_without_https(tmp_path: Path, host: str) -> None:
    text = f'[identity]\n{ISSUER}jwks_url = "http://{host}:8080/keys"\n'
    (tmp_path / "fairlead.toml").write_text(text)
    assert load_settings(tmp_path, {}).identity.issuer is not None


def test_no_variable_of_the_environment_lifts_a_control(tmp_path: Path) -> None:
    fixed = ("required", "four_eyes", "algorithms", "lifetime_max_s", "leeway_s")
    found = {setting.key: setting.env for setting in SETTINGS}
    assert [found[f"identity.{name}"] for name in fixed] == [""] * len(fixed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[flag]\nnew = true\n", r"fairlead.toml has \[flag\], .* mean 'flags'"),
        ("[[budget]]\nname = 'a'\n", r"fairlead.toml has \[budget\], .* mean 'budgets'"),
        (
            "environment = 'a'\n",
            "fairlead.toml has 'environment', which nobody reads; it knows: app",
        ),
        ("[worker]\nconcurency = 3\n", "fairlead.toml: worker .* 'concurency'.* 'concurrency'"),
        ("[app]\nmodul = 'a.py:app'\n", "fairlead.toml: app .* 'modul'; did you mean 'module'"),
        ("[identity]\nrequire = true\n", "fairlead.toml: identity .* mean 'required'"),
        ("[gate]\nmutations = 0.9\n", "fairlead.toml: gate .* mean 'mutation'"),
    ],
)
def test_what_nobody_reads_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "fairlead.toml").write_text(text)
    with pytest.raises(InvalidConfig, match=said):
        load_settings(tmp_path, {})


def test_what_a_release_is_made_of_is_known(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(
        "[flags]\na = 1\n[workflow.ask]\ntop_k = 3\n[gate.ask]\nthreshold = 1\n[rates]\n"
        "[memory]\nschema = 1\n[telemetry]\nmust_emit = []\n[[budgets]]\n[breaker]\n[policy]\n"
        "[collections.a]\npath = 'a'\n[app]\ntemplate = '1'\n"
    )
    assert load_settings(tmp_path, {}).config["flags"] == {"a": 1}


def test_a_number_that_nothing_can_read_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(f"[app]\nname = {'9' * 5000}\n")
    with pytest.raises(InvalidConfig, match="is not understood"):
        load_settings(tmp_path, {})

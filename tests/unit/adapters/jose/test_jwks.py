"""A provider's keys: kept for a while, read again for a new one, and not in a flood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead.adapters.jose.jwks import JWKS_BYTES_MAX, KEYS_MAX, IssuerKeys
from fairlead.core.errors import KeysUnavailable
from tests.unit.adapters.jose.bench import identity_of


class Bench:
    """Keys in a file, and a time that only moves when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.time = 1000.0
        issuer = identity_of(folder, {"keys": []}).issuer
        assert issuer is not None
        self.file = folder / "jwks.json"
        self.keys = IssuerKeys(issuer, elapsed=lambda: self.time)

    def has(self, *kids: str) -> None:
        self.file.write_text(json.dumps({"keys": [{"kid": kid} for kid in kids]}))

    def knows(self, kid: str) -> bool:
        return bool(self.keys.named(kid))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.has("old")
    return made


def test_keys_are_kept_until_their_time_is_up(bench: Bench) -> None:
    assert bench.knows("old")
    bench.has("new")
    bench.time += 299
    assert bench.knows("old")
    bench.time += 1
    assert not bench.knows("old")
    assert bench.knows("new")


def test_a_key_that_is_not_there_is_looked_for_again_but_not_in_a_flood(bench: Bench) -> None:
    assert bench.knows("old")
    bench.has("old", "new")
    bench.time += 29
    assert not bench.knows("new")
    bench.time += 1
    assert bench.knows("new")
    bench.has("old", "new", "newer")
    for _ in range(5):
        assert not bench.knows("newer")


def test_keys_that_cannot_be_read_let_nobody_in_and_are_tried_again_later(bench: Bench) -> None:
    assert bench.knows("old")
    bench.file.unlink()
    bench.time += 300
    for _ in range(2):
        with pytest.raises(KeysUnavailable, match="FileNotFoundError"):
            bench.knows("old")
    bench.has("old")
    with pytest.raises(KeysUnavailable):
        bench.knows("old")
    bench.time += 30
    assert bench.knows("old")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": 1}', '{"keys": [1]}', "[" * 100_000, "\udcff"]
)
def test_what_is_no_set_of_keys_is_refused(bench: Bench, text: str) -> None:
    bench.file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(KeysUnavailable):
        bench.knows("old")


def test_invariant_11_a_set_of_keys_is_bounded(bench: Bench) -> None:
    many: list[Any] = [{"kid": str(number)} for number in range(KEYS_MAX + 1)]
    bench.file.write_text(json.dumps({"keys": many}))
    assert len(bench.keys.named(None)) == KEYS_MAX
    bench.time += 300
    bench.file.write_text(json.dumps({"keys": [], "more": "x" * JWKS_BYTES_MAX}))
    with pytest.raises(KeysUnavailable):
        bench.knows("old")

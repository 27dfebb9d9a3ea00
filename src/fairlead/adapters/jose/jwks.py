"""An issuer's public keys, from a file or an address; kept for a while."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from fairlead.core.errors import KeysUnavailable
from fairlead.settings.identity import Issuer

JWKS_BYTES_MAX = 500_000
"""Largest set of keys, in bytes."""

KEYS_MAX = 100
"""Most keys of an issuer that are looked at."""


class IssuerKeys:
    """The keys of one issuer.

    Args:
        issuer: Where they are, and how long they are kept.
        elapsed: Seconds since some moment, never less than before.
    """

    def __init__(self, issuer: Issuer, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._keys: Sequence[dict[str, Any]] | None = None
        self._read_at: float | None = None
        self._failure = ""

    def named(self, kid: str | None) -> Sequence[dict[str, Any]]:
        """Return the keys of a name, as JSON.

        A name that is not there is looked for again, because issuers change their keys; but no
        flood of such tokens becomes a flood of requests.

        Args:
            kid: The name; None returns all keys.

        Raises:
            KeysUnavailable: They cannot be read.
        """
        with self._lock:
            age_s = self._age_s()
            if self._keys is None or age_s >= self._issuer.ttl_s:
                self._read(age_s)
            found = self._of(kid)
            if not found and age_s >= self._issuer.retry_s:
                self._read(age_s)
                found = self._of(kid)
            return found

    def _age_s(self) -> float:
        return float("inf") if self._read_at is None else self._elapsed() - self._read_at

    def _of(self, kid: str | None) -> Sequence[dict[str, Any]]:
        return [key for key in self._keys or () if kid is None or key.get("kid") == kid]

    def _read(self, age_s: float) -> None:
        if self._failure and age_s < self._issuer.retry_s:
            raise KeysUnavailable(self._failure)
        keys = self._issuer.keys
        self._read_at = self._elapsed()
        try:
            data = _of_file(keys) if isinstance(keys, Path) else _of_url(keys, self._issuer)
            found = json.loads(data)["keys"]
            if not isinstance(found, list) or not all(isinstance(key, dict) for key in found):
                raise ValueError("it is no set of keys")
        except (OSError, http.client.HTTPException, RecursionError, TypeError, *_NO_SET) as error:
            # Old keys may have been taken back by now: without new ones nobody is let in.
            self._keys = None
            what = f"status {error.code}" if isinstance(error, HTTPError) else type(error).__name__
            self._failure = f"the keys at {keys} cannot be read: {what}"
            raise KeysUnavailable(self._failure) from None
        self._keys, self._failure = tuple(found[:KEYS_MAX]), ""


_NO_SET = (ValueError, KeyError)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would lead to an address that nobody configured."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return _whole(file.read(JWKS_BYTES_MAX + 1))


def _of_url(url: str, issuer: Issuer) -> bytes:
    until = time.monotonic() + issuer.timeout_s
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    opener = urllib.request.build_opener(_NoRedirect)
    data = b""
    try:
        opened = opener.open(request, timeout=issuer.timeout_s)
    except HTTPError as error:
        error.close()
        raise
    with opened as answer:
        while len(data) <= JWKS_BYTES_MAX and (part := answer.read1(65_536)):
            data += part
            if time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
    return _whole(data)


def _whole(data: bytes) -> bytes:
    if len(data) > JWKS_BYTES_MAX:
        raise ValueError("it is too large")
    return data

"""Keys and tokens that can be told by their form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fairlead.guardrails.content.kinds import Finding


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How the keys of a provider look.

    Attributes:
        kind: The kind.
        needles: One of these stands in every such key; looked for first, because that is cheap.
        pattern: The whole key; group 1 is the secret part when there is one.
        digit: Whether a key has a digit and a letter: what has not is a name with hyphens.
    """

    kind: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    digit: bool = False


def _form(kind: str, needles: tuple[str, ...], pattern: str, *, digit: bool = False) -> _Form:
    # A key begins where no letter and no digit stands before it. So each run of letters is looked
    # at once, whatever it holds, and the time stays linear.
    return _Form(
        kind=kind,
        needles=needles,
        pattern=re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})"),
        digit=digit,
    )


_FORMS: tuple[_Form, ...] = (
    _form("anthropic-key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{20,}", digit=True),
    _form("openai-key", ("sk-",), r"sk-(?!ant-)[A-Za-z0-9_-]{20,}", digit=True),
    _form("aws-key", ("AKIA", "ASIA"), r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _form("gcp-key", ("AIza",), r"AIza[A-Za-z0-9_-]{35,}"),
    _form("gcp-key", ("ya29.",), r"ya29\.[A-Za-z0-9_.-]{20,}"),
    _form("gcp-key", ("GOCSPX-",), r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    _form(
        "azure-key",
        ("AccountKey=", "AccessKey="),
        r"[A-Za-z0-9_]{0,16}Key=[A-Za-z0-9+/]{40,}={0,2}",
    ),
    _form("azure-key", ("sig=",), r"sig=[A-Za-z0-9%+/]{40,}={0,2}"),
    _form("github-token", ("gh",), r"gh[opsur]_[A-Za-z0-9]{36,}"),
    _form("github-token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{22,}"),
    _form("gitlab-token", ("gl",), r"gl[a-z]{1,6}-[A-Za-z0-9_-]{20,}", digit=True),
    _form("slack-token", ("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{10,}", digit=True),
    _form("slack-token", ("xapp-",), r"xapp-[0-9]-[A-Za-z0-9-]{10,}"),
    _form("slack-token", ("hooks.slack.com/",), r"hooks\.slack\.com/services/([A-Za-z0-9/]{20,})"),
    _form("stripe-key", ("k_live_", "k_test_"), r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _form("stripe-key", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{24,}"),
    _form("huggingface-token", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    _form("npm-token", ("npm_",), r"npm_[A-Za-z0-9]{36,}"),
    _form("pypi-token", ("pypi-AgE",), r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _form("sendgrid-key", ("SG.",), r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _form(
        "jwt",
        ("eyJ",),
        # A stretch of these letters and signs is tried once, where it begins, and only where two
        # more follow it as in a token. `-eyJ-eyJ...` would else be read to its end from each part.
        r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]++\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{10})[A-Za-z0-9_-]*?"
        r"(?<![A-Za-z0-9])"
        r"(eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{10,})",
    ),
)

# One look for all of them: most texts hold none.
_NEEDLE = re.compile("|".join(sorted({re.escape(one) for form in _FORMS for one in form.needles})))
_URL = re.compile(r"://[^\s/:@\"'\\<>\[]{0,128}:([^\s/@\"'\\<>\[]{3,256})@")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_LETTER, _DIGIT = re.compile("[A-Za-z]"), re.compile("[0-9]")


def keys(text: str) -> Iterator[Finding]:
    """Yield the keys and tokens in a text, each kind in order."""
    for form in _FORMS if _NEEDLE.search(text) else ():
        if not any(needle in text for needle in form.needles):
            continue
        for match in form.pattern.finditer(text):
            start, end = match.span(form.pattern.groups)
            if not form.digit or _mixed(match.group()):
                yield Finding(form.kind, start, end)
    if "://" in text and "@" in text:
        for match in _URL.finditer(text):
            yield Finding("url-password", *match.span(1))
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)


def _private_keys(text: str) -> Iterator[Finding]:
    """Yield PEM blocks; one without an end goes to the end of the text."""
    place = 0
    while begin := _PEM.search(text, place):
        closing = _PEM_END.search(text, begin.end())
        place = closing.end() if closing else len(text)
        yield Finding("private-key", begin.start(), place)


def _mixed(key: str) -> bool:
    """Say whether what follows a key's prefix has letters and digits."""
    tail = key[3:]
    return _LETTER.search(tail) is not None and _DIGIT.search(tail) is not None

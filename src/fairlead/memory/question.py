"""A question as recall sees it: the words it is about, whom it names, and when it is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fairlead.core.text import stem, terms, words

# A question is read up to here, and no more of its terms are counted.
QUESTION_CHARS_MAX = 8_000
QUESTION_TERMS_MAX = 64

# Forms that no suffix rule brings together; the first of a row stands for the others.
_FORMS = """
    become became, begin began begun, break broke broken, bring brought, build built, buy bought,
    catch caught, choose chose chosen, come came, draw drew drawn, drink drank drunk,
    drive drove driven, eat ate eaten, fall fell fallen, feel felt, fight fought, find found,
    fly flew flown, forget forgot forgotten, get got gotten, give gave given, go went gone,
    grow grew grown, hear heard, hold held, keep kept, know knew known, lead led, leave left,
    lose lost, make made, meet met, pay paid, ride rode ridden, rise rose risen, run ran, say said,
    see saw seen, sell sold, send sent, sing sang sung, sleep slept, speak spoke spoken,
    spend spent, stand stood, swim swam swum, take took taken, teach taught, tell told,
    think thought, throw threw thrown, understand understood, wear wore worn, win won,
    write wrote written, child children kid, foot feet, man men, person people,
    tooth teeth, wife wives, woman women, mother mom mum, father dad, photograph photo picture pic,
    bicycle bike
"""
_ROWS = [[stem(form) for form in row.split()] for row in _FORMS.split(",")]
_FORMS_OF = {row[0]: tuple(row) for row in _ROWS}
_KEY_OF = {form: row[0] for row in _ROWS for form in row}
_WORD_OF = {stem(form): form for row in _FORMS.split(",") for form in row.split()}

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
# On the northern half of the globe.
_SEASONS = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}
# Names of months are read with their capital: one may march in May.
_MONTH = re.compile(rf"(?<!^)\b(?:{'|'.join(_MONTHS)})\b")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DAY = re.compile(r"\b([12]?\d|3[01])(?:st|nd|rd|th)?\b(?!\s*(?:am|pm|%))", re.IGNORECASE)
_WHEN = re.compile(
    r"\b(?:when|how long|(?:what|which) (?:date|day|month|year|time))\b", re.IGNORECASE
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question as recall sees it.

    Attributes:
        keys: What it is about, in order, each once (see `key_of`).
        when: Whether it asks for a time.
        months: Months of the year, from 1, that it names.
        years: Years that it names.
        days: Days of a month that it names together with a month.
    """

    keys: tuple[str, ...]
    when: bool
    months: frozenset[int]
    years: frozenset[int]
    days: frozenset[int]


def read_question(text: str) -> Question:
    """Read a question.

    Args:
        text: The question in words; anything is allowed. Only its first 8,000 characters and 64
            different terms are read.

    Returns:
        The question; without keys when it holds nothing but stop words or signs.
    """
    text = text[:QUESTION_CHARS_MAX]
    keys = dict.fromkeys(key_of(term) for term in terms(text))
    named = {_MONTHS.index(name) + 1 for name in _MONTH.findall(text)}
    seasons = {month for word in words(text) for month in _SEASONS.get(word, ())}
    return Question(
        keys=tuple(keys)[:QUESTION_TERMS_MAX],
        when=_WHEN.search(text) is not None,
        months=frozenset(named | seasons),
        years=frozenset(int(year) for year in _YEAR.findall(text)),
        days=frozenset(int(day) for day in _DAY.findall(text)) if named else frozenset(),
    )


def asked_stems(text: str) -> dict[str, str]:
    """List what the index is asked for, and what is counted for `Statistics.found_in`.

    Args:
        text: The question in words; anything is allowed.

    Returns:
        Each stem and one word that has it, in the order of the question: the question's terms
        and their irregular forms, so that "bought" is found by "buy". The index is asked for the
        word, because the stem of a stem may be another one.
    """
    asked: dict[str, str] = {}
    for term in terms(text[:QUESTION_CHARS_MAX]):
        if len(asked) >= QUESTION_TERMS_MAX:
            break
        asked.setdefault(stem(term), term)
        for form in _FORMS_OF.get(key_of(term), ()):
            asked.setdefault(form, _WORD_OF[form])
    return asked


def forms_of(key: str) -> tuple[str, ...]:
    """Return the stems that are counted as a key."""
    return _FORMS_OF.get(key, (key,))


def key_of(word: str) -> str:
    """Return what a word is counted as: its stem, or that of the form that stands for it."""
    stemmed = stem(word)
    return _KEY_OF.get(stemmed, stemmed)


def date_of(at: float | None) -> date | None:
    """Return a time as a date in UTC, or None when there is none or the calendar lacks it."""
    if at is None:
        return None
    try:
        return (_EPOCH + timedelta(seconds=at)).date()
    except (OverflowError, ValueError):
        return None

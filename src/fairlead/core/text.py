"""Text as the search and the extractive model see it: words, stems and sentences.

Stems and stop words are English. Chinese and Japanese are cut into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise


def _set(listing: str) -> frozenset[str]:
    return frozenset(listing.split())


# Words that say how a question is asked, not what it is about.
STOP_WORDS: frozenset[str] = _set(
    """
    a about above after again against all also am an and any are as at be because been before being
    below between both but by can cannot could describe did do does doing done down during each
    else ever every explain few for from further had has have having he her here hers herself him
    himself his how i if in into is it its itself just many may me might more most much must my
    myself no nor not now of off on once only or other our ours ourselves out over own per please
    same shall she should so some such tell than that the their theirs them themselves then there
    these they this those through to too under until up upon us very was we were what when where
    whether which while who whom whose why will with within without would yet you your yours
    yourself yourselves
    """
)

_WORD = re.compile(r"[^\W_]+")
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
# Characters of scripts that are written without borders between words: signs of repetition, kana
# of both widths with marks that stand by themselves, and Chinese characters of every plane.
_RUN = re.compile(
    "[\u3005\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]+"
)
# "don't" is a stop word and not the words "don" and "t"; "Anna's" is "Anna".
_CONTRACTION = re.compile(
    r"\b(?:ai|are|ca|could|did|do|does|had|has|have|is|must|need|should|was|were|wo|would)n['’]t\b"  # noqa: RUF001
    r"|['’](?:d|ll|m|re|s|ve)\b",  # noqa: RUF001
    re.IGNORECASE,
)


def words(text: str) -> list[str]:
    """Split a text into words.

    Args:
        text: Any text.

    Returns:
        Its words in order: lower-cased, without accents, possessive endings and contractions of
        "not". Punctuation and underscores separate words. Chinese and Japanese become pairs of
        characters, see `paired`.
    """
    if "'" in text or "’" in text:  # noqa: RUF001
        text = _CONTRACTION.sub(" ", text)
    return tokens(text)


def tokens(text: str) -> list[str]:
    """Split a text as the search index does, which knows no contractions."""
    return _WORD.findall(fold(paired(text)))


def paired(text: str) -> str:
    """Return a text with its Chinese and Japanese cut into overlapping pairs of characters.

    These scripts put no borders between words, so a whole sentence would be one word that nobody
    asks for. A pair is about as long as a word, and a longer word is found by its pairs.

    Args:
        text: Any text.

    Returns:
        The text with each run of such characters as its pairs, without accents, with spaces
        around them; a single character stays one. Every other text as it is.
    """
    return text if text.isascii() else _RUN.sub(_pairs, text)


def _pairs(match: re.Match[str]) -> str:
    run = fold(match.group())
    pairs = [left + right for left, right in pairwise(run)] or [run]
    return f" {' '.join(pairs)} "


def terms(text: str) -> list[str]:
    """List the words that a text is about.

    Args:
        text: Any text, such as a question.

    Returns:
        Its words in order, without stop words; a word that comes twice is listed twice.
    """
    return [word for word in words(text) if word not in STOP_WORDS]


def fold(text: str) -> str:
    """Return the text in lower case and without accents, as the search index keeps it."""
    lowered = text.lower()
    return lowered if lowered.isascii() else _FOREIGN.sub(_without_accents, lowered)


def _without_accents(match: re.Match[str]) -> str:
    decomposed = unicodedata.normalize("NFD", match.group())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare)


# ---------------------------------------------------------------------------------------------
# Stems: M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980). The index uses the
# same algorithm, so a word that the index finds is also found here.

_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize",
    "logi": "log", "bli": "ble", "alli": "al", "entli": "ent", "eli": "e", "ousli": "ous",
    "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al", "iveness": "ive",
    "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble",
}  # fmt: skip
_STEP_3 = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP_4 = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ion", "ism", "ate", "iti",
    "ous", "ive", "ize", "al", "er", "ic", "ou",
)  # fmt: skip
# Longer words are no English; the index leaves them alone as well.
_STEM_CHARS_MAX = 64


def stem(word: str) -> str:
    """Return an English word's stem, under which "tested" and "tests" meet.

    Args:
        word: One word in lower case.

    Returns:
        The stem; a word with other characters than a to z, or of one or two letters, as it is.
    """
    if not 2 < len(word) <= _STEM_CHARS_MAX or not (word.isascii() and word.isalpha()):
        return word
    return _porter(word)


@lru_cache(maxsize=50_000)
def _porter(word: str) -> str:
    word = _plural(word)
    word = _past(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _swap(word, _STEP_2)
    word = _swap(word, _STEP_3)
    word = _strip_long(word)
    return _final(word)


def _shape(part: str) -> str:
    """Return v for each vowel and c for each consonant; y is a vowel after a consonant."""
    shape = ""
    for index, char in enumerate(part):
        vowel = char in "aeiou" or (char == "y" and index > 0 and shape[-1] == "c")
        shape += "v" if vowel else "c"
    return shape


def _measure(part: str) -> int:
    return _shape(part).count("vc")


def _has_vowel(part: str) -> bool:
    return "v" in _shape(part)


def _ends_short(part: str) -> bool:
    return _shape(part)[-3:] == "cvc" and part[-1] not in "wxy"


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        part = word.removesuffix(ending)
        if part == word:
            continue
        if not _has_vowel(part):
            return word
        if part.endswith(("at", "bl", "iz")):
            return part + "e"
        if len(part) > 1 and part[-1] == part[-2] and _shape(part)[-1] == "c":
            return part if part[-1] in "lsz" else part[:-1]
        return part + "e" if _measure(part) == 1 and _ends_short(part) else part
    return word


def _swap(word: str, endings: dict[str, str]) -> str:
    for length in range(min(len(word) - 1, 7), 1, -1):
        swapped = endings.get(word[-length:])
        if swapped is not None:
            part = word[:-length]
            return part + swapped if _measure(part) > 0 else word
    return word


def _strip_long(word: str) -> str:
    for ending in _STEP_4:
        if not word.endswith(ending):
            continue
        part = word[: -len(ending)]
        fits = ending != "ion" or part.endswith(("s", "t"))
        return part if fits and _measure(part) > 1 else word
    return word


def _final(word: str) -> str:
    if word.endswith("e"):
        part = word[:-1]
        measure = _measure(part)
        if measure > 1 or (measure == 1 and not _ends_short(part)):
            word = part
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


# ---------------------------------------------------------------------------------------------
# Sentences. Each pattern reads every character a bounded number of times: a document may be a
# megabyte of full stops.

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FENCE = re.compile(r"[ \t>]{0,20}(`{3,}|~{3,})")
# What stands before a line's words: quote marks, one bullet or number, heading signs.
_MARKER = re.compile(
    r"[ \t>]*(?P<item>(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?(?P<head>#{1,6}[ \t]+)?"
)
_RULE = re.compile(r"[\s>]*+[-=*_|:+\s]*+\Z")
_INLINE_CODE = re.compile(r"`[^`]+`")
_STOP = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s)|[。！？]++[」』”’]*+")  # noqa: RUF001
_WORD_BREAK = re.compile(r"[\s(\[\"'“‘]")  # noqa: RUF001
_NEXT_WORD = re.compile(r"\s*+[\"'“‘(\[*_`]*+([^\W_]{0,24})")  # noqa: RUF001
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_ABBREVIATION_CHARS_MAX = 16

# A full stop after these never ends a sentence.
_TITLES = _set(
    "dr mr mrs ms messrs prof st gen col lt sgt capt rev hon gov sen rep pres vs viz cf e.g i.e eg "
    "ie approx ca resp incl excl mt ft"
)
# After these it does not when a number follows: "No. 3", but "He said no. Then he left."
_NUMBERED = _set("no nos nr fig figs eq sec ch vol art p pp para app tab ver v")
# After these it does when the next word is one that often begins a sentence.
_MAY_END = _set(
    "etc inc ltd co corp bros jr sr al ph.d jan feb mar apr jun jul aug sep sept oct nov dec dept "
    "est min max"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Find the sentences of a text, plain or Markdown.

    Abbreviations, initials, decimals and inline code do not end a sentence. A heading and a table
    row end with their line, a list item where the next begins; a fenced block of code is one
    sentence. Marks that lead a line, such as `- ` or `## `, stand outside.

    Args:
        text: The text.

    Returns:
        Start and end of each sentence, in order, without overlap and without outer white space.
        Each letter and digit of the text is in one, but for the numbers that lead list items.
    """
    found: list[tuple[int, int]] = []
    for start, end, code in _blocks(text):
        cuts = [] if code else _cuts(text, start, end)
        for left, right in pairwise([start, *cuts, end]):
            part = text[left:right]
            if any(char.isalnum() for char in part):
                indent = len(part) - len(part.lstrip())
                found.append((left + indent, left + len(part.rstrip())))
    return found


def _blocks(text: str) -> list[tuple[int, int, bool]]:
    """Return start, end and "is code" of each paragraph, list item, heading, row and fence."""
    blocks: list[tuple[int, int, bool]] = []
    begin = -1  # where the open block starts, or -1
    fence = ""  # the marks that opened a block of code
    for match in _LINE.finditer(text):
        line, start = match.group(), match.start()
        marks = _FENCE.match(line)
        if fence:
            if marks and marks.group(1).startswith(fence) and not line[marks.end() :].strip():
                blocks.append((begin, match.end(), True))
                begin, fence = -1, ""
            continue
        marker = _MARKER.match(line)
        lead = marker.end() if marker else 0
        alone = line.lstrip().startswith("|") or bool(marker and marker["head"])
        blank = _RULE.match(line) is not None
        if begin >= 0 and (marks or alone or blank or (marker and marker["item"])):
            blocks.append((begin, start, False))
            begin = -1
        if marks:
            begin, fence = start + marks.start(1), marks.group(1)
        elif alone and not blank:
            blocks.append((start + lead, match.end(), False))
        elif begin < 0 and not blank:
            begin = start + lead
    if begin >= 0:
        blocks.append((begin, len(text), bool(fence)))
    return blocks


def _cuts(text: str, start: int, end: int) -> list[int]:
    """Return where one sentence of a block ends and the next begins."""
    codes = iter(_INLINE_CODE.finditer(text, start, end))
    code = next(codes, None)
    cuts: list[int] = []
    for mark in _STOP.finditer(text, start, end):
        while code is not None and code.end() <= mark.start():
            code = next(codes, None)
        inside = code is not None and code.start() < mark.start()
        if not inside and _ends(text, mark, (start, end)):
            cuts.append(mark.end())
    return cuts


def _ends(text: str, mark: re.Match[str], block: tuple[int, int]) -> bool:
    """Say whether a sentence ends at a full stop, judged by the words around it."""
    following = _NEXT_WORD.match(text, mark.end(), block[1])
    after = following.group(1) if following else ""
    if after[:1].islower():
        return False
    signs = mark.group().rstrip("\"'”’»)]*_")  # noqa: RUF001
    if signs != "." or not after:
        return True
    tail = text[max(block[0], mark.start() - _ABBREVIATION_CHARS_MAX) : mark.start()]
    before = _WORD_BREAK.split(tail)[-1]
    if before.lower() in _TITLES:
        return False
    if before.lower() in _NUMBERED:
        return not after.isdigit()
    if before.lower() in _MAY_END or _INITIALS.fullmatch(before):
        return after.lower() in STOP_WORDS
    return True

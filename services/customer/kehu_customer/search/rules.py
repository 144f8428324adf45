"""What a name can be found by, and how well a name fits what was typed. Pure: keys and tables stand elsewhere.

A token is a short text with a mark in front: `w` a whole name as it may be typed in one go, `c` a character, `b` two
neighbouring characters, `s` a pinyin syllable or Latin word, `x` the beginning of the spelled name, `d` the spelling
with one letter left out (so that one typo still meets), `j` two neighbouring initials. Tokens are hashed under a key
before they are stored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise, product
from typing import Final

import opencc
from pypinyin import Style, pinyin

from kehu_customer.search.readings import COMPOUND_SURNAMES, OTHER_READINGS, SURNAME_READINGS, SYLLABLES

__all__ = ["Fit", "Probe", "fit", "name_tokens", "probes", "simplified"]

PREFIX_LIMIT: Final = 12
SPELLING_LIMIT: Final = 24
READINGS_LIMIT: Final = 4
QUERY_LIMIT: Final = 100

_TO_SIMPLIFIED: Final = opencc.OpenCC("t2s")


class Fit(IntEnum):
    """How well a name fits, best last."""

    NONE = 0
    TYPO = 1
    PART = 2
    BEGINNING = 3
    INITIALS = 4
    SOUND = 5
    EXACT = 6


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to look for candidates: all of the tokens must be there, or any of them."""

    tokens: tuple[str, ...]
    all_of: bool = True
    last_resort: bool = False
    """Finds much that does not fit; worth trying only while little has been found."""


@lru_cache(maxsize=50_000)
def _simplify(sign: str) -> str:
    return str(_TO_SIMPLIFIED.convert(sign))


def simplified(name: str) -> str:
    """Compatibility forms folded, lower case, traditional characters made simplified one by one."""
    # One by one and not by phrase: a part of a name must come out as it does within the whole.
    return "".join(map(_simplify, unicodedata.normalize("NFKC", name).lower()))


def _is_han(sign: str) -> bool:
    return "\u3400" <= sign <= "\u9fff" or "\U00020000" <= sign <= "\U000323af" or sign == "〇"


@lru_cache(maxsize=50_000)
def _readings(sign: str, *, surname: bool = False) -> tuple[str, ...]:
    """How a character may be typed: as a surname or given name first, as in daily use next."""
    usual = pinyin(sign, style=Style.NORMAL, errors="ignore")
    daily = usual[0][0] if usual else None
    readings = (SURNAME_READINGS.get(sign), daily) if surname else (daily, OTHER_READINGS.get(sign))
    # Keyboards type lü as lv, passports as lu or lyu.
    return tuple(dict.fromkeys(way for reading in readings if reading for way in _ways_to_type(reading))) or (sign,)


def _ways_to_type(reading: str) -> tuple[str, ...]:
    return (reading, reading.replace("v", "u")) if "v" in reading else (reading,)


@lru_cache(maxsize=20_000)
def _spellings(han: str) -> tuple[tuple[str, ...], ...]:
    """The syllables of a run of characters, the likeliest reading first."""
    compound = COMPOUND_SURNAMES.get(han[:2]) if len(han) > 2 else None
    if compound:
        choices: list[tuple[str, ...]] = [_ways_to_type(syllable) for syllable in compound]
    else:
        choices = [_readings(han[0], surname=True)]
    for place, sign in enumerate(han[len(choices) :]):
        # Beyond a personal name's length other readings would multiply and find nothing more.
        choices.append(_readings(sign) if place < 3 else _readings(sign)[:1])
    by_likelihood = sorted(product(*map(enumerate, choices)), key=lambda way: sum(rank for rank, _ in way))
    return tuple(tuple(syllable for _, syllable in way) for way in by_likelihood[:READINGS_LIMIT])


def _words(text: str) -> list[str]:
    """Runs of characters and Latin words; all else parts them. A dot between foreign names (·) is not a word."""
    return re.findall(r"[㐀-鿿\U00020000-\U000323af〇]+|[^\W㐀-鿿\U00020000-\U000323af〇_]+", text)


def _plain(word: str) -> str:
    """A Latin word without accents: José is typed jose, lü is typed lv."""
    folded = unicodedata.normalize("NFD", word.replace("ü", "v"))
    return "".join(sign for sign in folded if not unicodedata.combining(sign))


def _syllable_lists(words: Iterable[str]) -> list[tuple[str, ...]]:
    """Every way to spell a name of these words, as syllables and Latin words."""
    lists: list[tuple[str, ...]] = [()]
    for word in words:
        ways = _spellings(word) if _is_han(word[0]) else ((_plain(word),),)
        lists = [head + way for head in lists for way in ways][:READINGS_LIMIT]
    return [found for found in lists if found]


def _shortened(spelling: str) -> list[str]:
    return [spelling[:place] + spelling[place + 1 :] for place in range(len(spelling))]


def name_tokens(name: str) -> frozenset[str]:
    """Everything that the name can be found by; about thirty tokens for a personal name."""
    words = _words(simplified(name))
    tokens: set[str] = set()
    for word in words:
        if _is_han(word[0]):
            tokens.add(f"w{word}")
            tokens.update([f"c{sign}" for sign in word[:4]])
            tokens.update([f"b{first}{second}" for first, second in pairwise(word)])
            if 3 <= len(word) <= 4:
                tokens.update([f"d{part}" for part in (word, *_shortened(word))])
    for syllables in _syllable_lists(words):
        tokens |= _spelling_tokens(syllables)
    return frozenset(tokens)


@lru_cache(maxsize=5_000)
def _spelling_tokens(syllables: tuple[str, ...]) -> frozenset[str]:
    """Everything that one spelling can be found by; many names are spelled alike."""
    spelling = "".join(syllables)
    initials = "".join([syllable[0] for syllable in syllables])
    tokens = {f"w{spelling}", f"w{initials}"}
    tokens.update([f"s{syllable}" for syllable in syllables])
    beginning = f"x{spelling[:PREFIX_LIMIT]}"
    tokens.update([beginning[:length] for length in range(2, len(beginning) + 1)])
    tokens.update([f"j{first}{second}" for first, second in pairwise(initials)])
    if 3 <= len(spelling) <= SPELLING_LIMIT:
        tokens.add(f"d{spelling}")
        tokens.update([f"d{shorter}" for shorter in _shortened(spelling)])
    return frozenset(tokens)


def probes(query: str) -> list[Probe]:
    """The ways to look for what was typed, the surest first; a later one is for when the earlier found too little."""
    words = _words(simplified(query[:QUERY_LIMIT]))
    if not words:
        return []
    han = [word for word in words if _is_han(word[0])]
    latin = [_plain(word) for word in words if not _is_han(word[0])]
    if han and latin:
        return [Probe((*_han_tokens(han), *_word_tokens(latin)))]
    # The same tokens may be reached in two ways; the surer one counts, and last resorts come last.
    found = {
        (probe.tokens, probe.all_of): probe
        for probe in reversed([*(_han_probes(han) if han else _latin_probes(latin))])
    }
    surest_first = [*found.values()][::-1]
    return sorted(surest_first, key=lambda probe: probe.last_resort)


def _han_tokens(words: Sequence[str]) -> tuple[str, ...]:
    tokens: list[str] = []
    for word in words:
        tokens.extend([f"c{word}"] if len(word) == 1 else [f"b{a}{b}" for a, b in pairwise(word)])
    return tuple(dict.fromkeys(tokens))


def _word_tokens(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"s{word}" for word in words))


def _han_probes(words: Sequence[str]) -> Iterator[Probe]:
    joined = "".join(words)
    yield Probe((f"w{joined}",))
    yield Probe(_han_tokens(words))
    if len(joined) > 1:
        # The same sound written with other characters, then one character too many, too few or wrong.
        yield Probe(tuple(f"w{''.join(syllables)}" for syllables in _spellings(joined)), all_of=False)
        misspelt = (f"d{joined}", f"w{joined}", *(f"d{part}" for part in _shortened(joined)))
        yield Probe(misspelt, all_of=False, last_resort=True)


def _latin_probes(words: Sequence[str]) -> Iterator[Probe]:
    joined = "".join(words)
    yield Probe((f"w{joined}",))
    yield Probe((f"x{joined[:PREFIX_LIMIT]}",))
    yield Probe(_word_tokens(words))
    if len(words) > 1:
        # Given name first with the last word not typed to its end, or with an initial among the words.
        yield Probe(_word_tokens(words[:-1]), last_resort=True)
        if whole := [word for word in words if len(word) > 1]:
            yield Probe(_word_tokens(whole))
    if 2 <= len(joined) <= 8:
        yield Probe(tuple(dict.fromkeys(f"j{a}{b}" for a, b in pairwise(joined))))
    for syllables in _segmentations(joined):
        yield Probe(_word_tokens(syllables), last_resort=True)
    if len(joined) >= 4:
        misspelt = (f"d{joined}", *(f"d{shorter}" for shorter in _shortened(joined)))
        yield Probe(misspelt, all_of=False, last_resort=True)


def _segmentations(spelling: str, limit: int = 4) -> list[tuple[str, ...]]:
    """Ways to cut a spelling into syllables (xian: xi an, xian), at most `limit`, only when it parts wholly."""
    ways: list[list[tuple[str, ...]]] = [[] for _ in range(len(spelling) + 1)]
    ways[0] = [()]
    for end in range(1, len(spelling) + 1):
        for start in range(max(0, end - 6), end):
            if spelling[start:end] in SYLLABLES:
                ways[end].extend((*way, spelling[start:end]) for way in ways[start])
        ways[end] = sorted(ways[end], key=len)[:limit]
    return [way for way in ways[-1] if len(way) > 1]


def fit(query: str, name: str) -> Fit:
    """How well the name fits what was typed; `NONE` for a candidate that only shares tokens."""
    typed_words = _words(simplified(query[:QUERY_LIMIT]))
    typed = "".join(typed_words)
    written = "".join(_words(simplified(name)))
    if not typed or not written:
        return Fit.NONE
    if typed == written:
        return Fit.EXACT
    if all(map(_is_han, typed)):
        return _fit_han(typed, written)
    # Characters and letters mixed (张wei) are compared by sound.
    words = _syllable_lists(typed_words)[0] if any(map(_is_han, typed)) else tuple(map(_plain, typed_words))
    return _fit_latin(words, _syllable_lists(_words(simplified(name))))


def _fit_han(typed: str, written: str) -> Fit:
    if written.startswith(typed):
        return Fit.BEGINNING
    if typed in written:
        return Fit.PART
    if all(map(_is_han, typed)) and len(typed) == len(written) and all(map(_is_han, written)):
        spoken = {"".join(way) for way in _spellings(typed)}
        if spoken & {"".join(way) for way in _spellings(written)}:
            return Fit.SOUND
    return Fit.TYPO if max(len(typed), len(written)) >= 3 and _one_slip(typed, written) else Fit.NONE


def _fit_latin(words: Sequence[str], ways: Iterable[tuple[str, ...]]) -> Fit:
    return max((_fit_spelling(words, way) for way in ways), default=Fit.NONE)


def _fit_spelling(words: Sequence[str], syllables: tuple[str, ...]) -> Fit:
    typed = "".join(words)
    spelling = "".join(syllables)
    initials = "".join(syllable[0] for syllable in syllables)
    if typed == spelling or (len(words) > 1 and sorted(words) == sorted(syllables)):
        return Fit.SOUND
    if typed == initials:
        return Fit.INITIALS
    if spelling.startswith(typed):
        return Fit.BEGINNING
    if typed in spelling or (len(typed) > 1 and typed in initials) or _words_begin(words, syllables):
        return Fit.PART
    return Fit.TYPO if len(typed) >= 4 and _one_slip(typed, spelling) else Fit.NONE


def _words_begin(words: Sequence[str], syllables: Sequence[str]) -> bool:
    """Whether every typed word begins a word of the name of its own, in any order."""
    left = list(syllables)
    for word in sorted(words, key=len, reverse=True):
        found = next((syllable for syllable in left if syllable.startswith(word)), None)
        if found is None:
            return False
        left.remove(found)
    return len(words) > 1


def _one_slip(typed: str, written: str) -> bool:
    """Whether one letter too many, too few, wrong or swapped with its neighbour parts the two."""
    if abs(len(typed) - len(written)) > 1:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(typed, written, strict=False)) if a != b), min(len(typed), len(written))
    )
    rest, other = typed[start:], written[start:]
    return (
        rest[1:] == other[1:]
        or rest == other[1:]
        or rest[1:] == other
        or (rest[1::-1] == other[:2] and rest[2:] == other[2:])
    )

"""Texts as numbers: grouped thousands, decimal commas, currencies, percents, never guessed.

A column is read by one convention, decided from all of its values: either the point or the comma
is the decimal mark, and the other one, spaces, apostrophes and underscores group thousands. Where
both readings fit and differ, the column is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

# Plain numbers, in the common subset of Python's and RE2's (Arrow's) syntax.
PLAIN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?"
CODE = r"0[0-9]+"  # a leading zero: "007" is a code, not an amount
GROUPED_BY_POINTS = r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}"
ZERO = r"[+-]?0+"

_CURRENCIES = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "R$": "BRL",
    "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "HK$": "HKD",
    "S$": "SGD", "₩": "KRW", "₽": "RUB", "₺": "TRY", "₪": "ILS", "₴": "UAH", "₦": "NGN",
    "₫": "VND", "฿": "THB", "₱": "PHP", "kr": "kr", "kr.": "kr", "Fr.": "CHF", "SFr.": "CHF",
    "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "Rs": "INR", "Rs.": "INR",
}  # fmt: skip
_CODES = """
AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES KRW KWD
MAD MXN MYR NGN NOK NZD PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR
"""
_CURRENCIES |= {code: code for code in _CODES.split()}
_NORMAL = str.maketrans(
    {
        **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "),  # spaces that do not break a line
        **dict.fromkeys("\u2212\u2013\ufe63\uff0d", "-"),  # minus signs
        "\u2019": "'",
    }
)
_CURRENCY = "|".join(re.escape(name) for name in sorted(_CURRENCIES, key=len, reverse=True))
_SHAPE = re.compile(
    rf"(?P<open>\()?\s?(?P<sign>[+-])?\s?(?:(?P<before>{_CURRENCY})\s?)?(?P<inner>[+-])?"
    r"(?P<core>[.,]?[0-9](?:[.,'_ ]?[0-9])*[.,]?)(?P<exponent>[eE][+-]?[0-9]{1,4})?"
    rf"\s?(?P<after>%|{_CURRENCY})?\s?(?P<close>\))?"
)
_INFINITE = re.compile(r"[+-]?(inf|infinity|∞)", re.IGNORECASE)


def _core(mark: str) -> re.Pattern[str]:
    """Digits with `mark` before the fraction; what may group them is what is left."""
    other = re.escape("," if mark == "." else ".")
    grouped = rf"[1-9][0-9]{{0,2}}(?P<group>[{other}' _])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
    lakhs = r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}" if mark == "." else grouped.replace("group", "g")
    return re.compile(
        rf"(?P<whole>{grouped}|{lakhs}|[0-9]+)?(?:{re.escape(mark)}(?P<fraction>[0-9]*))?"
    )


_CORES = {mark: _core(mark) for mark in (".", ",")}


class Unclear(ValueError):
    """Numbers whose reading the values do not decide; the message continues "column 'x' ..."."""


def read_numbers(texts: Sequence[str], decimal: str | None = None) -> list[str] | None:
    """Distinct texts as numbers in plain notation, such as "-1200.5".

    Percents are divided by 100, currencies taken off. What is returned is text, so that no digit is
    lost; `float` and `Decimal` read it.

    Args:
        texts: the distinct texts of a column.
        decimal: the decimal mark, "." or ",", where both readings fit; None refuses if they differ.

    Returns:
        one number a text; None if they are no numbers.

    Raises:
        Unclear: they can be read in two ways, or units are mixed.
    """
    shapes = [_shape(_normal(text)) for text in texts]
    if not texts or any(shape is None for shape in shapes):
        return None
    known = [shape for shape in shapes if shape is not None]
    readings = {mark: [_plain(shape, mark) for shape in known] for mark in _CORES}
    if any(a is None and b is None for a, b in zip(*readings.values(), strict=True)):
        return None
    chosen = _choose(texts, readings, decimal)
    _check_units(texts, known, chosen)
    return [
        f"{Decimal(number) / 100}" if unit == "%" else number
        for number, (_, _, _, unit) in zip(chosen, known, strict=True)
    ]


_Shape = tuple[str, str, str, str]  # sign, core, exponent, unit


def _normal(text: str) -> str:
    """One kind of space, minus and apostrophe, and ASCII digits."""
    if text.isascii():
        return text
    return "".join(str(int(c)) if c.isdecimal() else c for c in text.translate(_NORMAL))


def _shape(text: str) -> _Shape | None:
    """Sign, digits with their marks, exponent and unit of a number; None if it is none."""
    if _INFINITE.fullmatch(text):
        return ("-" if text[0] == "-" else "", "inf", "", "")
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    brackets = bool(match["open"])
    signs = [match["sign"], match["inner"], "-" if brackets else None]
    if brackets != bool(match["close"]) or sum(map(bool, signs)) > 1:
        return None
    if match["before"] and match["after"]:
        return None
    unit = match["after"] or match["before"] or ""
    sign = "-" if "-" in signs else ""
    return (sign, match["core"], match["exponent"] or "", _CURRENCIES.get(unit, unit))


def _plain(shape: _Shape, mark: str) -> str | None:
    """A number in plain notation, read with `mark` as decimal mark; None if it does not fit."""
    sign, core, exponent, _ = shape
    if core == "inf":
        return f"{sign}inf"
    match = _CORES[mark].fullmatch(core)
    if match is None:
        return None
    whole, fraction = match["whole"] or "", match["fraction"] or ""
    digits = re.sub(r"[^0-9]", "", whole)
    if not digits + fraction or (exponent and digits != whole):
        return None
    return f"{sign}{digits or '0'}{'.' if fraction else ''}{fraction}{exponent}"


def _choose(
    texts: Sequence[str], readings: dict[str, list[str | None]], decimal: str | None
) -> list[str]:
    """The reading of the decimal mark that fits all texts; `Unclear` where both do and differ."""
    fitting = {
        mark: [n for n in numbers if n is not None]
        for mark, numbers in readings.items()
        if None not in numbers
    }
    if not fitting:
        examples = [texts[numbers.index(None)] for numbers in readings.values()]
        raise Unclear(
            f"mixes decimal commas and decimal points, such as {examples[0]!r} and "
            f"{examples[1]!r}; write all alike"
        )
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if decimal is not None:
        return fitting[decimal]
    point, comma = fitting["."], fitting[","]
    differ = [k for k in range(len(texts)) if float(point[k]) != float(comma[k])]
    if not differ:
        return point
    # Points alone, in every value but zeros: the readings differ by a factor of 1000, which
    # standardising takes out, and the point is what programs write.
    others = set(range(len(texts))) - set(differ)
    if all("," not in texts[k] for k in differ) and all(float(point[k]) == 0 for k in others):
        return point
    k = differ[0]
    raise Unclear(
        f"can be read in two ways, {texts[k]!r} as {point[k]} or as {comma[k]}, and no value "
        "decides; say which is the decimal mark by decimal='.' or decimal=','"
    )


def _check_units(texts: Sequence[str], shapes: Sequence[_Shape], numbers: Sequence[str]) -> None:
    """Refuse mixed units (but for zeros).

    Raises:
        Unclear: several currencies, or percents beside amounts.
    """
    examples: dict[str, str] = {}
    for text, (_, _, _, unit), number in zip(texts, shapes, numbers, strict=True):
        if float(number) != 0:
            examples.setdefault(unit, text)
    currencies = [example for unit, example in examples.items() if unit not in ("", "%")]
    if len(currencies) > 1:
        raise Unclear(
            f"mixes currencies, such as {currencies[0]!r} and {currencies[1]!r}; convert them"
        )
    if "%" in examples and len(examples) > 1:
        other = next(example for unit, example in examples.items() if unit != "%")
        raise Unclear(
            f"mixes percents and other numbers, such as {examples['%']!r} and {other!r}; "
            "write all alike"
        )

"""Secrets that stand in evidence: keys, tokens and passwords that somebody pasted. Pure: a text in, a text out.

What is replaced has the form of a secret beyond doubt, so that ordinary words stay: a name before it that says so, or a
prefix that its issuer gives to nothing else (issuers publish them for scanners such as this). JSON stays JSON.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HIDDEN = "[secret]"
SHORT = 12  # characters: below, only a password within an address fits, and it needs its @


class Form(NamedTuple):
    """One form of secret: `pattern` is tried where one of `marks` stands, in whatever case. Its group 1 is kept."""

    marks: tuple[str, ...]
    pattern: re.Pattern[str]


def _form(marks: str, pattern: str) -> Form:
    return Form(tuple(marks.split("|")), re.compile(pattern))


_ASSIGNED = r"""(?:\\*["'])? ?[:=] ?(?:\\*["'])?)(?=[^\s"'\\]*[0-9])(?=[^\s"'\\]*[A-Za-z])[^\s"'\\,;&<>]{8,}"""
_OF_KEYS = "|".join(rf"(?<={of}{dash}key)" for of in ("api", "access", "secret", "private") for dash in ("", "[_-]"))
_OF_TOKENS = "|".join(rf"(?<={of}[_-]token)" for of in ("auth", "access", "private", "refresh"))
_AUTHORIZATION = "|".join(f"(?<=authorization{'.' * many})" for many in range(1, 7))  # a colon, quotes, a blank
FORMS = (
    _form(
        "-----begin ",
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\+[nr]|[\w+/=\s])*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    ),
    _form("akia|asia", r"()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    _form("ghp_|gho_|ghu_|ghs_|ghr_", r"()\bgh[pousr]_[A-Za-z0-9]{30,}"),
    _form("github_pat_", r"()\bgithub_pat_\w{22,}"),
    _form("glpat-", r"()\bglpat-[\w-]{20,}"),
    _form("xox", r"()\bxox[abeoprs]-[\w-]{10,}"),
    _form("sk-", r"()\bsk-(?=[\w-]*\d)[\w-]{20,}"),
    _form("sk_live_|sk_test_|rk_live_|rk_test_", r"()\b[rs]k_(?:live|test)_\w{16,}"),
    _form("aiza", r"()\bAIza[\w-]{35}"),
    _form("eyj", r"()\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"),
    _form("://", r"""(://[^\s/@:"'<>\\]*:)[^\s/@"'<>\\]+(?=@)"""),
    _form("bearer ", r"(?i)(\bbearer )(?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}"),
    _form("basic ", rf"(?i)((?:{_AUTHORIZATION})basic )[\w+/=-]{{8,}}"),
    _form("passw|pwd", rf"(?i)((?<![a-z])(?:passw(?:or)?d|pwd){_ASSIGNED}"),
    _form("key", rf"(?i)(key(?:{_OF_KEYS}){_ASSIGNED}"),
    _form("token", rf"(?i)(token(?:{_OF_TOKENS}){_ASSIGNED}"),
    _form("secret=|token=", rf"(?i)((?:secret|token){_ASSIGNED}"),
)


def redacted(text: str) -> str:
    """`text` without what has the form of a secret."""
    if len(text) < SHORT and "@" not in text:
        return text
    lower = _lower(text)
    for form in FORMS:
        for mark in form.marks:
            if mark in lower:
                text = _without(form.pattern, mark, text)
                lower = _lower(text)
    return text


def _without(pattern: re.Pattern[str], mark: str, text: str) -> str:
    """A pattern's matches where `mark` stands: found as a plain text first, which is ten times faster."""
    lower, parts, done = _lower(text), list[str](), 0
    at = lower.find(mark)
    while at >= 0:
        found = pattern.match(text, at) if at >= done else None
        if found is not None:
            parts += [text[done : found.end(1)], HIDDEN]
            done = found.end()
        at = lower.find(mark, at + len(mark))
    return "".join([*parts, text[done:]])


def _lower(text: str) -> str:
    """In lower case, each letter in its place: one capital becomes two letters."""
    return text.lower() if text.isascii() else text.replace("\u0130", "I").lower()

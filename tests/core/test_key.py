"""The key in whatever form a text has it: none is left, and nothing else is touched."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from actors.models.key import HIDDEN, Key

PLAIN = "sk-canary-0123456789-abcdef"
ODD = "k/\"'<&>+%=~\\2f!x-YZ"

FORMS: dict[str, Callable[[str], str]] = {
    "bare": str,
    "in JSON": lambda key: json.dumps({"key": key}),
    "in JSON in JSON": lambda key: json.dumps(json.dumps({"key": key})),
    "in JSON with its slashes escaped": lambda key: json.dumps(key).replace("/", "\\/"),
    "in a URL": lambda key: f"https://x/?k={quote(key, safe='')}",
    "in a form": quote_plus,
    "in a page": html.escape,
    "in a repr": lambda key: repr({"authorization": f"Bearer {key}"}),
    "in bytes": lambda key: repr(key.encode()),
    "in an exception": lambda key: repr(ValueError(f"refused: {key}")),
    "as a user's password": lambda key: f"https://user:{key}@host/",
    "in hex": lambda key: key.encode().hex(),
    "in big hex": lambda key: key.encode().hex().upper(),
}


@pytest.mark.parametrize("key", [PLAIN, ODD])
@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_blotted_out_in_whatever_form_it_stands(form: str, key: str) -> None:
    """Escaped, quoted, encoded: what a log or a tool's error may make of it."""
    clean = Key(key).scrub(f"before {FORMS[form](key)} after")

    assert HIDDEN in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert key not in clean


@pytest.mark.parametrize("key", [PLAIN, ODD])
@pytest.mark.parametrize("url_safe", [False, True])
@pytest.mark.parametrize("before", ["", "u", "us", "use", "someone:", "someone else:"])
@pytest.mark.parametrize("after", ["", "@", "@x", "@xy"])
def test_base64_is_found_wherever_the_key_lies_in_what_was_encoded(
    key: str, before: str, after: str, url_safe: bool
) -> None:
    """Basic authentication: the letters of the key depend on how many stand before it."""
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode

    clean = Key(key).scrub(f"Authorization: Basic {encode(f'{before}{key}{after}'.encode()).decode()}")

    assert HIDDEN in clean
    assert len(clean) < 60  # of the key nothing but what shares a letter with its neighbours is left


@pytest.mark.parametrize("deep", [0, 1, 2])
def test_escapes_that_spell_the_key_are_read(deep: int) -> None:
    """JSON inside of JSON: whoever parses the text would have the key again. It stays JSON, the rest untouched."""
    text = '"\\u0041 \\u002d is the key: ' + "".join(f"\\u{ord(c):04X}" for c in PLAIN[:9]) + PLAIN[9:] + '"'
    for _ in range(deep):
        text = json.dumps(text)

    clean = Key(PLAIN).scrub(f"{PLAIN} {text}")
    value = clean.removeprefix(f"{HIDDEN} ")
    for _ in range(deep + 1):
        value = json.loads(value)
    assert value == f"A - is the key: {HIDDEN}"


def test_a_key_in_pieces_is_found_in_the_blocks_that_make_it_up() -> None:
    """Blocks of one reply are read as one text; names and values of a tool's arguments are looked at too."""
    value = {
        "content": [
            {"type": "text", "text": f"it is {PLAIN[:9]}"},
            {"type": "tool_use", "input": {PLAIN: [PLAIN, 7, None]}},
            {"type": "text", "text": f"{PLAIN[9:]}."},
        ]
    }

    clean = Key(PLAIN).scrub_json(value)

    assert clean["content"] == [
        {"type": "text", "text": f"it is {HIDDEN}."},
        {"type": "tool_use", "input": {HIDDEN: [HIDDEN, 7, None]}},
        {"type": "text", "text": ""},
    ]


def test_other_texts_are_left_as_they_are() -> None:
    """Escapes that spell something else, and all texts under a key that is too short to be one."""
    text = 'a \\u0041 {"x": "\\u003cdata\\u003e"} sk-canary-9999'

    assert Key(PLAIN).scrub(text) == text
    assert Key("abc").scrub("abc") == "abc"
    assert not Key(PLAIN).may_be_in(b'{"text": "all is well"}')

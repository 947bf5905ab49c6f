"""The key of a provider: read where it is used, shown nowhere."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from budget.errors import SettingsError

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_CHARACTERS_MIN = 8  # a shorter one would blot out ordinary words wherever texts are scrubbed
HIDDEN = "[key]"


class Key:
    """A secret that says itself only when asked by name. It neither prints nor pickles."""

    __slots__ = ("_forms", "_forms_bytes", "_spelled_out", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._forms = _forms(text) if len(text) >= KEY_CHARACTERS_MIN else ()
        self._spelled_out = re.compile("".join(map(_spelled_out, text)))
        self._forms_bytes = tuple(form.encode() for form in self._forms)

    def reveal(self) -> str:
        return self._text

    def scrub(self, text: str) -> str:
        """`text` without the key: bare, escaped as in JSON, in a URL, in HTML, in basic authentication or in hex."""
        if "\\u00" in text and self._forms:
            text = self._spelled_out.sub(HIDDEN, text)
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    def scrub_json(self, value: Any) -> Any:
        """A JSON value without the key in any of its texts and names, nor across the texts of one list."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, list):
            return self._whole([self.scrub_json(item) for item in value])
        if isinstance(value, dict):
            return {self.scrub(name): self.scrub_json(item) for name, item in value.items()}
        return value

    def may_be_in(self, body: bytes) -> bool:
        """Whether a JSON text has to be looked through: the key is in it, or escapes that may spell it."""
        return b"\\u00" in body or b"\\/" in body or any(form in body for form in self._forms_bytes)

    def _whole(self, blocks: list[Any]) -> list[Any]:
        """Blocks of text are read as one: where the key lies across two of them, all of it is in the first."""
        texts = [block for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
        if len(texts) < 2:
            return blocks
        joined = "".join(block["text"] for block in texts)
        clean = self.scrub(joined)
        if clean != joined:
            for block in texts:
                block["text"] = ""
            texts[0]["text"] = clean
        return blocks

    def __repr__(self) -> str:
        return f"Key({HIDDEN})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a key does not travel: each process reads its own from the environment or the key file")


def read_key(key_file: str | None, environ: Mapping[str, str] = os.environ) -> Key:
    """The key in `key_file`, else in ANTHROPIC_API_KEY. Raises SettingsError when it is missing or open to others."""
    if key_file is None:
        return Key(_clean(environ.get(KEY_VARIABLE, ""), f"variable {KEY_VARIABLE}"))
    path = Path(key_file)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(f"key file {key_file!r} is open to others (mode {mode:04o}): chmod 600 it")
        text = path.read_text("ascii")
    except OSError as error:
        raise SettingsError(f"key file {key_file!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"key file {key_file!r} holds other than ASCII text: it must hold the key alone") from None
    return Key(_clean(text, f"key file {key_file!r}"))


def _clean(text: str, where: str) -> str:
    key = text.strip()
    if not key:
        raise SettingsError(f"no key in {where}: set {KEY_VARIABLE}, name a --key-file, or use the offline model")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsError(f"the key in {where} holds a blank or an unprintable character: it must be the key alone")
    return key


def _forms(key: str) -> tuple[str, ...]:
    """How a key is written in texts, the longest first, so that no part of one is left over."""
    escaped = json.dumps(key)[1:-1]
    twice = json.dumps(escaped)[1:-1]  # JSON inside of JSON
    bare = [key, escaped, twice, escaped.replace("/", "\\/"), repr(key)[1:-1], html.escape(key), quote(key, safe="")]
    raw = key.encode()
    return tuple(sorted({*bare, raw.hex(), raw.hex().upper(), *_base64(raw)}, key=len, reverse=True))


def _base64(raw: bytes) -> Iterator[str]:
    """The characters that stand for `raw` wherever it lies in what was encoded: those that share bits are left out."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode()
        whole = (8 * (before + len(raw))) // 6  # characters that no following byte changes
        inner = text[-(-8 * before // 6) : whole]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def _spelled_out(character: str) -> str:
    """A pattern of one character as itself or as a JSON escape, also of JSON that lies in JSON several times."""
    return rf"(?:\\*{re.escape(character)}|\\+u00(?i:{ord(character):02x}))"

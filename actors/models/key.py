"""The key of a provider: read where it is used, shown nowhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from budget.errors import SettingsError

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_CHARACTERS_MIN = 8  # a shorter one would blot out ordinary words wherever texts are scrubbed
HIDDEN = "[key]"


class Key:
    """A secret that says itself only when asked by name. It neither prints nor pickles."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def scrub(self, text: str) -> str:
        """`text` without the key."""
        return text.replace(self._text, HIDDEN) if len(self._text) >= KEY_CHARACTERS_MIN else text

    def scrub_bytes(self, body: bytes) -> bytes:
        secret = self._text.encode()
        return body.replace(secret, HIDDEN.encode()) if len(secret) >= KEY_CHARACTERS_MIN and secret in body else body

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

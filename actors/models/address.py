"""The base URL of a provider: checked, and taken apart for spans."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from actors.models.call import Server
from budget.errors import SettingsError


def check_base_url(url: str) -> None:
    """Raises SettingsError for what is no HTTP address, or has a secret in it; what may be one is not repeated."""
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"base URL {_bare(url)!r} is none: it must be http(s)://host[:port][/path]")
    if parts.username or parts.password or parts.query:
        raise SettingsError(f"base URL {_bare(url)!r} holds credentials or a query: use the key file")


def server_of(base_url: str) -> Server:
    """Host and port of a base URL that was checked."""
    parts = urlsplit(base_url)
    return Server(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _parts(url: str) -> SplitResult | None:
    """A URL taken apart; None for what is none."""
    try:
        parts = urlsplit(url)
        return parts if url.isprintable() and " " not in url and parts.port != 0 else None
    except ValueError:  # a port that is no number, half an IPv6 address
        return None


def _bare(url: str) -> str:
    """A URL without what may be a secret in it."""
    return url.split("?")[0].rsplit("@", 1)[-1]

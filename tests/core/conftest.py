"""The core suite starts no Ray, opens no socket and does not sleep: what it tests is values in, values out."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator

import pytest


def _forbidden(what: str) -> object:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError(f"a core test {what}: it belongs into tests/jobs or tests/ray")

    return refuse


@pytest.fixture(autouse=True)
def _pure(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test that connects or sleeps, and one that leaves Ray imported."""
    had_ray = "ray" in sys.modules
    monkeypatch.setattr(socket.socket, "connect", _forbidden("opened a connection"))
    monkeypatch.setattr(time, "sleep", _forbidden("slept"))
    yield
    assert had_ray or "ray" not in sys.modules, "a core test imported ray"

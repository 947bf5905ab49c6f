"""A store that gave no answer is left alone for a while, and one that refuses is not."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from orchestrator.silence import REST_S, SILENT_S, Silence


@dataclass(slots=True)
class Store:
    """One that takes this long to say no, or to answer where it has nothing to say. `asked` counts."""

    takes_s: float
    says: str = ""
    asked: int = 0
    now_s: float = 100.0
    silence: Silence = field(init=False)

    def __post_init__(self) -> None:
        self.silence = Silence(lambda: self.now_s)

    def ask(self) -> None:
        with self.silence.asked():
            self.asked += 1
            self.now_s += self.takes_s
            if self.says:
                raise OSError(self.says)


def test_nobody_waits_twice_for_a_store_that_gave_no_answer() -> None:
    """Whoever comes soon after is told the same at once; later it is asked again."""
    store = Store(takes_s=15.0, says="timed out")

    for _ in range(5):
        with pytest.raises(OSError, match="timed out"):
            store.ask()
    asked, lasts = store.asked, store.silence.lasts
    store.now_s += REST_S
    with pytest.raises(OSError, match="timed out"):
        store.ask()

    assert (asked, lasts) == (1, True)
    assert store.asked == 2


def test_one_that_says_no_at_once_is_asked_each_time() -> None:
    """What is refused now may be granted in a moment, and costs no time."""
    store = Store(takes_s=SILENT_S / 2, says="slow down")

    for _ in range(3):
        with pytest.raises(OSError, match="slow down"):
            store.ask()

    assert store.asked == 3
    assert not store.silence.lasts


def test_an_answer_ends_the_silence() -> None:
    """However late it came."""
    store = Store(takes_s=15.0, says="timed out")
    with pytest.raises(OSError, match="timed out"):
        store.ask()
    store.now_s += REST_S
    store.says = ""

    store.ask()
    store.ask()

    assert store.asked == 3
    assert not store.silence.lasts

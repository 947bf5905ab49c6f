"""Commands and answers as they travel and lie in the journal: JSON rows, cheap to write and readable in any editor.

A batch of commands is one JSON array, `[["reserve", "task#1", "run-7", 50000, 350000, "host-2", 7, true], ...]`: the
kind, then its fields in their order. A batch of answers is another, `[[1, 240], [3, 256], ...]`: nearly every answer is
no more than its verdict, a number, which is written once with how often it comes on end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from typing import Any

from budget.commands import (
    PLAIN,
    Alert,
    Answer,
    Close,
    Command,
    Expire,
    ExpireAccount,
    ExpireOwner,
    Extend,
    Many,
    Open,
    Reconcile,
    ReconcileMany,
    Refusal,
    Renew,
    Reserve,
    ReserveMany,
    SetLimit,
    Verdict,
    Withdraw,
)
from budget.money import Amount


@dataclass(frozen=True, slots=True)
class News:
    """What a client did not ask for just now: holds of its that were decided, and alerts with numbers after its last.

    `boot` names this life of the ledger's process: another one has forgotten who waits for news.
    """

    boot: str
    decided: Sequence[tuple[str, Answer]] = ()
    alerts: Sequence[Alert] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The answers to a batch, in its order, one for each of many holds. `alert_count`: the alerts raised before it."""

    answers: Sequence[Answer]
    news: News
    alert_count: int


def opened(
    account_id: str,
    parent_id: str | None,
    limit_tokens: int | None,
    limit_microusd: int | None,
    alert_percents: Iterable[int],
    owner: str,
) -> Open:
    """An Open from its row, where JSON has made a list of the percentages."""
    return Open(account_id, parent_id, limit_tokens, limit_microusd, tuple(alert_percents), owner)


def _expire(hold_ids: Iterable[str]) -> Expire:
    return Expire(tuple(hold_ids))


_KINDS: dict[str, tuple[type, Callable[..., Command | Many]]] = {
    "open": (Open, opened),
    "reserve": (Reserve, Reserve),
    "reserve_many": (ReserveMany, ReserveMany),
    "extend": (Extend, Extend),
    "reconcile": (Reconcile, Reconcile),
    "reconcile_many": (ReconcileMany, ReconcileMany),
    "withdraw": (Withdraw, Withdraw),
    "expire": (Expire, _expire),
    "expire_owner": (ExpireOwner, ExpireOwner),
    "expire_account": (ExpireAccount, ExpireAccount),
    "close": (Close, Close),
    "set_limit": (SetLimit, SetLimit),
    "renew": (Renew, Renew),
}
_NAMES = {kind: name for name, (kind, _) in _KINDS.items()}
_MAKERS = {name: make for name, (_, make) in _KINDS.items()}
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def commands_written(commands: Iterable[Command | Many]) -> bytes:
    """A batch as one line of JSON, without the line's end."""
    return _encode([(_NAMES[type(command)], *command) for command in commands]).encode("ascii")


def commands_read(batch: bytes) -> list[Command | Many]:
    """What `commands_written` wrote. Raises KeyError, TypeError or ValueError for anything else."""
    return [_MAKERS[row[0]](*row[1:]) for row in json.loads(batch)]


def reply_written(reply: Reply) -> bytes:
    return _encode([_answer_rows(reply.answers), _news_rows(reply.news), reply.alert_count]).encode("ascii")


def reply_read(data: bytes) -> Reply:
    answers, news, alert_count = json.loads(data)
    return Reply(_answers(answers), _news(news), alert_count)


def news_written(news: News) -> bytes:
    return _encode(_news_rows(news)).encode("ascii")


def news_read(data: bytes) -> News:
    return _news(json.loads(data))


def _news_rows(news: News) -> list[Any]:
    return [news.boot, [(hold_id, _answer_row(answer)) for hold_id, answer in news.decided], news.alerts]


def _news(rows: Sequence[Any]) -> News:
    boot, decided, alerts = rows
    return News(boot, [(hold_id, _answer(row)) for hold_id, row in decided], [Alert(*row) for row in alerts])


def _answer_rows(answers: Iterable[Answer]) -> list[tuple[int | list[Any], int]]:
    return [(_answer_row(answer), sum(1 for _ in same)) for answer, same in groupby(answers)]


def _answers(rows: Iterable[Sequence[Any]]) -> list[Answer]:
    return [answer for row, count in rows for answer in repeat(_answer(row), count)]


def _answer_row(answer: Answer) -> int | list[Any]:
    """The bare verdict when there is nothing else to say. What was decided for others does not travel here."""
    if PLAIN[answer.verdict] is answer:
        return int(answer.verdict)
    charged = answer.charged and (answer.charged.tokens, answer.charged.microusd)
    return [answer.verdict.value, answer.repeated, charged, answer.refusals, answer.expired_ids]


_PLAIN_BY_NUMBER = {verdict.value: answer for verdict, answer in PLAIN.items()}


def _answer(row: int | list[Any]) -> Answer:
    if isinstance(row, int):
        return _PLAIN_BY_NUMBER[row]
    number, repeated, charged, refusals, expired_ids = row
    return Answer(
        Verdict(number),
        repeated,
        Amount(*charged) if charged else None,
        tuple(Refusal(*refusal) for refusal in refusals),
        tuple(expired_ids),
    )

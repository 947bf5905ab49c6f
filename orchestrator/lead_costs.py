"""What a tree of leads costs, as far as that is known before it is asked: what each node holds, and what all spend.

A hold is a worst case; what is spent is a third of it or less. So nodes that are paid for one after the other need
what all others spend, and what the one that is held holds.
"""

from __future__ import annotations

from math import ceil

from actors.assembly import role_of
from actors.models.base import REQUEST_OVERHEAD_TOKENS
from actors.session import MESSAGE_OVERHEAD_TOKENS
from actors.specialists.lead import LEAD

WINDOW_TOKENS = 200_000  # the context window that all current models of the price list have at least
PAYLOAD_BYTES_MIN = 8_000  # a few services: below this a tree would only stack pages
BYTES_PER_TOKEN = 3  # of JSON with names and figures; four is usual for English text
COUNTS_BYTES = 6_000  # the objective, and what `covered` says of up to 30 owners
REPAIR_BYTES = 4_000  # eight problems with what they quote, as actors/schema.py tells them
FILLED = 0.95  # of a node among several: records do not come out even
PAGE_BYTES = 9_000  # of a node's page as a higher one reads it: the offline model's have 6 to 12 KB
_STANDING_TOKENS = role_of(LEAD, "").standing_tokens + REQUEST_OVERHEAD_TOKENS + MESSAGE_OVERHEAD_TOKENS
_PAGE_TOKENS = LEAD.output_tokens_max // 2  # of a usual page: the clamp is for one at the schema's bounds


def payload_bytes(tokens_max: int) -> int:
    """What a node below this ceiling may be given to read. A byte counts as a token: nobody knows it better by then."""
    return max(PAYLOAD_BYTES_MIN, tokens_max - _STANDING_TOKENS - COUNTS_BYTES - LEAD.output_tokens_max)


def hold_tokens(opening_bytes: int) -> int:
    """What a node with so long an opening may cost: its first call at worst, or both with input as it usually is.

    A second call repairs what the first one wrote: it is billed for all that was said before, and writes it again.
    """
    first = _STANDING_TOKENS + opening_bytes
    usual = 2 * first // BYTES_PER_TOKEN + REPAIR_BYTES + 2 * LEAD.output_tokens_max
    return LEAD.output_tokens_max + max(first, usual)


def affords(tokens_left: int | None, size_bytes: int, payload_bytes: int, *, waits: bool) -> bool:
    """Whether what is left (None: no ceiling) pays for a tree over so many bytes of records, so many to a node.

    `waits`: nodes wait for what others hold and do not need. Without it a level's holds must fit all at once.
    """
    if tokens_left is None:
        return True
    spent = 0
    while True:  # a level at a time
        nodes = 1 if size_bytes <= payload_bytes else ceil(size_bytes / (FILLED * payload_bytes))
        each = -(-size_bytes // nodes)
        spends = _spend_tokens(each)
        holds = hold_tokens(min(size_bytes, payload_bytes) + COUNTS_BYTES)
        if spent + ((nodes - 1) * spends + holds if waits else nodes * holds) > tokens_left:
            return False
        if nodes == 1:
            return True
        spent += nodes * spends
        size_bytes = nodes * min(PAGE_BYTES, payload_bytes // 2)


def _spend_tokens(size_bytes: int) -> int:
    return (_STANDING_TOKENS + COUNTS_BYTES + size_bytes) // BYTES_PER_TOKEN + _PAGE_TOKENS

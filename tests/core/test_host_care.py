"""How much a host is given before it has answered anything."""

from __future__ import annotations

import pytest

from orchestrator.host_care import capacity_of


@pytest.mark.parametrize(("sessions_max", "capacity"), [(1, 16), (4, 16), (100, 400), (500, 1_524), (10_000, 11_024)])
def test_a_host_holds_what_it_soon_begins_and_leaves_the_rest_to_others(sessions_max: int, capacity: int) -> None:
    """Enough for the way to the driver and back; of a large batch the first host to be ready does not take all."""
    assert capacity_of(sessions_max) == capacity

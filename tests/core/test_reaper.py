"""Whose processes are ended with their driver's, and whose are not."""

from __future__ import annotations

import os

from orchestrator.reaper import family, processes


def test_a_process_and_what_it_started_are_its_family() -> None:
    """This test belongs to its parent, as all other children of that do."""
    known = processes()
    parent = os.getppid()

    found = family({parent: known[parent][1]})

    assert {parent, os.getpid()} <= found
    assert 1 not in found


def test_another_process_under_the_same_number_is_left_alone() -> None:
    """Numbers are used again: the time at which it began tells."""
    parent = os.getppid()

    assert parent not in family({parent: "0"})
    assert os.getpid() not in family({parent: "0"})

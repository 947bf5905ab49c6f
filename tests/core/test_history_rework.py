"""What is made of a service's commits: rework, hot files, who knows it, and what came before incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from actors.tools.code.chance import chance_of, covered, share_at_least
from actors.tools.code.change_files import hot_files
from actors.tools.code.change_incidents import BeforeIncidents, before_incidents
from actors.tools.code.change_rework import Rework, rework
from actors.tools.code.change_summary import summarize
from actors.tools.code.commits import Commit, FileChange
from support.commits import DAY_S, HOUR_S, NOW_S, WINDOW, a_commit, a_history


def rework_of(*commits: Commit) -> Rework:
    history = a_history(*commits)
    return rework(history.commits, history, WINDOW)


def test_a_revert_is_matched_by_the_id_that_it_names() -> None:
    change = a_commit("Add retries", 5)
    revert = a_commit("Back to the old client", 4.5, body=f"This reverts commit {change.sha}.")

    found = rework_of(change, revert)

    assert found.window.reverts == 1
    assert (found.reverts[0].of, found.reverts[0].hours) == (change.citation, 12.0)
    assert found.median_hours_to_revert == 12.0


@pytest.mark.parametrize(
    ("changed", "reverted"),
    [
        ("Add retries", 'Revert "Add retries"'),
        ("Add retries (#12)", 'Revert "Add retries (#12)" (#14)'),
        ("Add retries (#12)", 'Revert "Add retries" (#14)'),
    ],
)
def test_a_revert_is_matched_by_the_latest_earlier_subject(changed: str, reverted: str) -> None:
    """As the code hosts write it, with and without the number of the pull request."""
    first, second, later = a_commit(changed, 9), a_commit(changed, 5), a_commit(changed, 1)

    found = rework_of(first, second, a_commit(reverted, 4), later)

    assert (found.reverts[0].of, found.reverts[0].hours) == (second.citation, 24.0)


def test_what_is_taken_back_after_weeks_was_retired_and_not_broken() -> None:
    found = rework_of(a_commit("Try a", 60), a_commit('Revert "Try a"', 4))

    assert (found.window.reverts, found.window.late_reverts) == (0, 1)
    assert found.reverts == ()


def test_a_revert_of_what_is_older_than_the_history_is_a_late_one() -> None:
    found = rework_of(a_commit("Drop it", 4, body="This reverts commit 0123456789ab."))

    assert (found.window.reverts, found.window.late_reverts) == (0, 1)


def test_a_revert_that_does_not_say_of_what_counts() -> None:
    found = rework_of(a_commit("Revert the client", 4))

    assert found.window.reverts == 1
    assert (found.reverts[0].of, found.reverts[0].hours) == ("", None)


def test_what_never_landed_apart_is_no_rework() -> None:
    """A change that is taken back, or mended, on its own branch was never live."""
    landing = {"landing": "f" * 40, "landed_at_s": NOW_S - DAY_S}
    change = a_commit("Add retries", 5, **landing)
    revert = a_commit('Revert "Add retries"', 4.9, **landing)
    fixes = [a_commit(f"Fix the cart {n}", 4 - n / 10, **landing) for n in range(3)]

    found = rework_of(change, revert, *fixes)

    assert found.window.reverts == 0
    assert found.fixed_soon.fixes == 0


def test_reverts_that_landed_together_count_once() -> None:
    landing = {"landing": "f" * 40, "landed_at_s": NOW_S - DAY_S}

    found = rework_of(*(a_commit(f"Revert part {n}", 2 + n / 10, **landing) for n in range(4)))

    assert found.window.reverts == 1


def test_what_a_hotfix_branch_brought_is_one_hotfix_whatever_its_commits_say() -> None:
    """Whoever works with hotfix branches says so in the branch's name, not in the commits."""
    merge = a_commit("Merge branch 'hotfix/1.2.3' into 'main'", 2, parents=("a", "b"))
    brought = {"landing": merge.sha, "landed_at_s": merge.at_s}

    found = rework_of(a_commit("Guard the header", 2.2, **brought), a_commit("Bump it", 2.1, **brought), merge)

    assert found.window.hotfixes == 1
    assert [entry.subject for entry in found.hotfixes] == ["Bump it"]


def test_documents_and_pipelines_are_not_reworked() -> None:
    found = rework_of(a_commit('Revert "Say more"', 3, "README.md"), a_commit("Hotfix the build", 2, ".gitlab-ci.yml"))

    assert (found.window.reverts, found.window.hotfixes, found.window.changes) == (0, 0, 0)


def test_the_window_before_is_counted_apart_and_unknown_where_the_history_is_too_short() -> None:
    commits = [a_commit("Hotfix: one", 3), a_commit("Hotfix: two", 40), a_commit("Hotfix: three", 50)]
    long, short = a_history(*commits, days=90), a_history(*commits, days=55)

    before = rework(long.commits, long, WINDOW).before

    assert before is not None
    assert before.hotfixes == 2
    assert rework(short.commits, short, WINDOW).before is None


def test_a_fix_soon_after_a_change_of_the_same_file_is_paired_with_the_last_one() -> None:
    first, second = a_commit("Add a", 5, "a.py"), a_commit("Add more", 4, "a.py")
    elsewhere, fix = a_commit("Add b", 3.6, "b.py"), a_commit("Fix the total", 3.5, "a.py")

    found = rework_of(first, second, elsewhere, fix)

    assert [(pair.citation, pair.of, pair.hours) for pair in found.fixed] == [(fix.citation, second.citation, 12.0)]
    assert (found.fixed_soon.fixes, found.fixed_soon.changes, found.fixed_soon.fixes_looked_at) == (1, 1, 1)


def test_fixes_in_a_file_that_changes_all_the_time_are_what_chance_brings() -> None:
    """40 changes and 4 fixes, evenly spread, in one file: nothing says that the fixes mend the changes."""
    changes = [a_commit(f"Add {n}", 1 + n * 0.7) for n in range(40)]
    fixes = [a_commit(f"Fix {n}", 3.1 + n * 6) for n in range(4)]

    soon = rework_of(*changes, *fixes).fixed_soon

    assert soon.fixes == 4
    assert soon.expected > 3.5
    assert soon.chance > 0.5


def test_rare_changes_that_are_each_fixed_within_hours_are_not_chance() -> None:
    changes = [a_commit(f"Add {n}", 28 - n * 6, f"f{n}.py") for n in range(5)]
    fixes = [a_commit(f"Fix {n}", 27.8 - n * 6, f"f{n}.py") for n in range(5)]

    soon = rework_of(*changes, *fixes).fixed_soon

    assert (soon.fixes, soon.changes) == (5, 5)
    assert soon.chance < 0.001


def test_people_programs_merges_and_documents_are_counted_apart() -> None:
    history = a_history(
        a_commit("Add a", 1),
        a_commit("Add b", 1.2, author="grace"),
        a_commit("Say more", 2, "README.md"),
        a_commit("Bump x from 1 to 2", 3, author="dependabot[bot]"),
        a_commit("Merge branch 'a'", 4, parents=("a", "b")),
        a_commit("Add c", 45),
    )

    found = summarize(history.commits, history, WINDOW)

    assert (found.window.changes, found.window.documents, found.window.bots, found.window.merges) == (3, 1, 1, 1)
    assert (found.window.authors, found.window.active_days, found.window.top_author_share) == (2, 2, 0.667)
    assert found.before is not None
    assert found.before.changes == 1
    assert (found.known.changes, found.known.authors, found.known.half_known_by) == (3, 2, 1)


def test_no_name_and_no_address_leaves_the_tools() -> None:
    """How few people know a service matters, who they are does not."""
    history = a_history(a_commit("Add a", 1, author="ada lovelace"), a_commit("Revert the client", 1))

    said = f"{summarize(history.commits, history, WINDOW)} {rework(history.commits, history, WINDOW)}"

    assert "ada" not in said
    assert "example.org" not in said


def test_a_file_keeps_its_changes_when_it_is_renamed() -> None:
    moved = replace(a_commit("Move it", 2), files=(FileChange("new.py", 0, 0, "app.py"),))
    history = a_history(a_commit("Fix it", 1, "new.py"), moved, a_commit("Add it", 3), a_commit("Add docs", 3, "x.md"))

    found = hot_files(history.commits, WINDOW)

    assert [(file.path, file.changes, file.repairs, file.lines) for file in found.files] == [("new.py", 3, 1, 6)]
    assert found.document_changes == 1


def followed(commits: Sequence[Commit], *incident_days_ago: float, hours: float = 24.0) -> BeforeIncidents:
    history = a_history(*commits)
    incidents = [(f"incident:{n}", NOW_S - days_ago * DAY_S) for n, days_ago in enumerate(incident_days_ago)]
    return before_incidents(history.commits, incidents, history, WINDOW, hours=hours)


def test_incidents_right_after_rare_changes_are_not_chance() -> None:
    changes = [a_commit(f"Add {n}", days) for n, days in enumerate((28, 21.5, 15, 8, 3))]

    found = followed(changes, 27.9, 21.4, 14.9, 7.9, 2.9)

    assert (found.incidents, found.followed_change) == (5, 5)
    assert found.chance < 0.001
    assert found.listed[0].incident == "incident:4"
    assert found.listed[0].changes[0].citation == changes[4].citation
    assert found.listed[0].hours_after_change == pytest.approx(2.4)


def test_incidents_of_a_service_that_changes_daily_follow_changes_by_chance() -> None:
    changes = [a_commit(f"Add {n}", n + 0.2) for n in range(60)]

    found = followed(changes, 25, 18, 12, 6, 2)

    assert found.followed_change == 5
    assert found.expected > 4.5
    assert found.chance > 0.5


def test_one_outage_with_many_records_counts_once() -> None:
    found = followed([a_commit("Add a", 10)], 9.9, 9.89, 9.85, 9.5)

    assert (found.incidents, found.followed_change) == (1, 1)


def test_a_change_counts_from_when_it_landed_and_never_at_the_incidents_own_time_or_after() -> None:
    """A status page commits at the moment of the incident; a branch may have waited for days."""
    waiting = a_commit("Add a", 20, landing="f" * 40, landed_at_s=NOW_S - 10 * DAY_S)

    assert followed([waiting], 9.9).followed_change == 1
    assert followed([waiting], 19.9).followed_change == 0
    assert followed([a_commit("Down", 5)], 5).followed_change == 0
    assert followed([a_commit("Up", 5)], 5 + 1 / 24).followed_change == 0


def test_incidents_outside_of_the_window_and_no_incidents_say_nothing() -> None:
    found = followed([a_commit("Add a", 10)], 45, -3)

    assert (found.incidents, found.expected, found.chance) == (0, 0.0, 1.0)


def test_the_share_that_is_sure_grows_with_what_was_seen() -> None:
    assert share_at_least(0, 0) == share_at_least(0, 10) == 0.0
    assert share_at_least(1, 2) == pytest.approx(0.211, abs=0.001)
    assert share_at_least(1, 2) < share_at_least(5, 10) < share_at_least(50, 100) < 0.5


def test_time_covered_is_counted_once_and_within_the_span() -> None:
    hours = [n * HOUR_S for n in (-1, 0, 0.5, 5, 9.5, 20)]

    assert covered(hours, HOUR_S, 0, 10 * HOUR_S) == pytest.approx((1.5 + 1 + 0.5) / 10)
    assert covered([], HOUR_S, 0, 10) == covered([0], HOUR_S, 5, 5) == 0.0


def test_the_chance_of_many_independent_events() -> None:
    assert chance_of(2, [0.5, 0.5]) == pytest.approx(0.25)
    assert chance_of(1, [0.5, 0.2]) == pytest.approx(0.6)
    assert chance_of(0, []) == 1.0
    assert chance_of(1, []) == 0.0

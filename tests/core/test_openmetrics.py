"""OpenMetrics text: what is read from it, what is refused and with which line, and what a selector picks."""

from __future__ import annotations

import pytest

from actors.tools.base import SourceError
from actors.tools.metrics.openmetrics import parse_exposition
from actors.tools.metrics.selectors import matches, own_values, parse_selector, written

GOOD = b"""\
# TYPE http_requests counter
# HELP http_requests Requests by code.
http_requests_total{service="cart",code="200"} 5 1700000000
http_requests_total{service="cart",code="500"} 1 1700000000.5
http_requests_total{service="cart",code="200"} 7 1700000060
# UNIT pool_in_use_ratio ratio
pool_in_use_ratio{service="bill \\"x\\" a\\\\b",note="a } b, c=\\"d\\""} 0.5 1700000000
up 1 1700000000
# EOF
"""


def test_series_families_and_labels_come_out_as_written():
    """Interleaved series, escapes, braces and commas in label values, a series without labels."""
    found = parse_exposition(GOOD, "x.om")

    assert [(s.name, s.times.size) for s in found.series] == [
        ("http_requests_total", 2),
        ("http_requests_total", 1),
        ("pool_in_use_ratio", 1),
        ("up", 1),
    ]
    assert found.series[0].times.tolist() == [1700000000.0, 1700000060.0]
    assert found.series[0].values.tolist() == [5.0, 7.0]
    assert found.series[2].labels == {"service": 'bill "x" a\\b', "note": 'a } b, c="d"'}
    assert found.families["http_requests"].kind == "counter"
    assert found.families["http_requests"].help == "Requests by code."
    assert found.families["pool_in_use_ratio"].unit == "ratio"


def test_an_exemplar_is_left_out_and_its_sample_kept():
    """`# {trace_id="…"} 0.67` after a bucket is no part of the sample."""
    text = b'b_bucket{le="1"} 3 1700000000 # {trace_id="a b"} 0.67 1699999999\nb_bucket{le="1"} 4 1700000060\n# EOF\n'

    (series,) = parse_exposition(text, "x.om").series

    assert series.values.tolist() == [3.0, 4.0]


def test_values_that_are_no_numbers_to_count_with_are_dropped():
    """NaN and infinities are legal and say nothing."""
    text = b'a{b="c"} NaN 1700000000\na{b="c"} +Inf 1700000060\na{b="c"} 1.5e3 1700000120\n# EOF'

    (series,) = parse_exposition(text, "x.om").series

    assert series.values.tolist() == [1500.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'a{b="c"} 1 1700000000\n', "line 1: does not end in '# EOF'"),
        (b"", "does not end in '# EOF'"),
        (b'a{b="c"} 1 1700000000\nnonsense\n# EOF\n', "line 2"),
        (b'a{b="c} 1 1700000000\n# EOF\n', "line 1"),
        (b'a{b="c"} 1\n# EOF\n', "line 1: .* has no time"),
        (b'a{b="c"} 1 1700000000\na{b="c"} 2\n# EOF\n', "line 2"),
        (b'a{b="c"} 1 1700000000\na{b="c"} one 1700000060\n# EOF\n', "line 2"),
        (b"a 1 1700000000\na x 1700000060\n# EOF\n", "line 2"),
        (b'a{b="c"} 1 1700000000000\n# EOF\n', "OpenMetrics counts seconds"),
        (b'# EOF\na{b="c"} 1 1700000000\n', "line 2: text after # EOF"),
        (b'{"json": true}\n# EOF\n', "line 1"),
        (b"\x00\xff\xfe\n# EOF\n", "line 1"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(text: bytes, said: str):
    """A source that cannot be read is failed, never quietly half read."""
    with pytest.raises(SourceError, match=f"x.om.*{said}"):
        parse_exposition(text, "x.om")


def test_an_endless_line_is_refused_without_an_endless_search():
    """A host's other sessions wait while a line is parsed: its cost grows with its length and not with the square."""
    with pytest.raises(SourceError, match=r"line 1: .* is no sample"):
        parse_exposition(b"a{" + b"x" * 2_000_000 + b"} 1 1700000000\n# EOF\n", "x.om")


@pytest.mark.parametrize(
    ("selector", "picked"),
    [
        ("", 4),
        ('{service="cart"}', 2),
        ('http_requests_total{code=~"5.."}', 1),
        ('{service="cart",code!="500",}', 1),
        ('{__name__=~"http_.*"}', 2),
        ('{service!~"c.*"}', 2),
        ('{code=""}', 2),
        ("up", 1),
        ('{service="nobody"}', 0),
    ],
)
def test_a_selector_picks_as_a_server_would(selector: str, picked: int):
    """Equality, inequality, anchored patterns, names; a missing label is the empty string."""
    assert len(parse_exposition(GOOD, "x.om").select(selector)) == picked


@pytest.mark.parametrize("selector", ["{", "{a=b}", '{a="b" c="d"}', '{a=~"("}', "a b", " "])
def test_a_selector_that_does_not_parse_is_refused(selector: str):
    """With the selector in the message, before anything is read."""
    with pytest.raises(SourceError, match="selector"):
        parse_selector(selector)


def test_a_series_is_written_so_that_its_selector_picks_it():
    """Citations are made of selectors: what is written must find its way back, whatever is in the labels."""
    labels = {"a": 'x"y\\z\n', "b": "plain"}

    assert matches(parse_selector(written("m", labels)), "m", labels)
    assert own_values('{system="shop",service="cart",env=~"prod|test"}') == {"shop", "cart"}

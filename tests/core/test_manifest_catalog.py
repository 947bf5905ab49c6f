"""A manifest's text becomes services, or all of its mistakes with their lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sources import Git, Incidents, Metrics, Runbooks, Window
from jobs.times import DAY_S
from support.manifests import ALL, BASE, NOW_S, catalog_of, component, mistake_in, mistakes, read, stream

AS_OF_S = 1_787_511_600.0  # 2026-08-23T19:00:00Z


def test_every_annotation_arrives_in_its_source() -> None:
    """What the manifest says of a source is what the specialist's tools are given."""
    service = catalog_of(component(**ALL)).services[0]

    assert (service.name, service.owner, service.system) == ("cart", "team-a", "shop")
    assert service.window == Window(AS_OF_S, 14 * DAY_S)
    assert service.incidents == Incidents(BASE, "incidents/all.jsonl", "jsonl", ("cart", "cart-api"))
    assert service.git == Git(BASE, "git/shop.git", ("src/cart", "lib/cart"))
    assert service.metrics == Metrics(BASE, url="http://127.0.0.1:9090", selector='{service="cart"}')
    assert service.runbooks == Runbooks(BASE, ("runbooks/cart", "runbooks/shared"))


def test_missing_annotations_are_absent_sources_and_defaults() -> None:
    """A service without annotations is a service still: nothing to read, 90 days back from now."""
    service = catalog_of(component()).services[0]

    assert (service.incidents, service.git, service.metrics, service.runbooks) == (None, None, None, None)
    assert service.window == Window(NOW_S, 90 * DAY_S)


def test_a_metrics_file_needs_no_server_and_may_have_a_selector() -> None:
    """The embedded default: a file, and the part of it that is the service's."""
    alone = catalog_of(component(metrics_file="m.om.xz")).services[0]
    part = catalog_of(component(metrics_file="m.om", prometheus_selector="'up{a=\"b\"}'")).services[0]

    assert alone.metrics == Metrics(BASE, file="m.om.xz")
    assert part.metrics == Metrics(BASE, file="m.om", selector='up{a="b"}')


def test_neighbours_are_found_in_both_directions_and_only_where_metrics_are() -> None:
    """dependsOn is read from both ends, by any spelling of a reference, and what is not in the manifest is left out."""
    metrics = {"metrics_file": "m.om"}
    catalog = catalog_of(
        component("web", depends_on=["component:default/Cart", "resource:bucket", "component:elsewhere"], **metrics),
        component("cart", depends_on=["component:db", "component:cache", "component:cart"], **metrics),
        component("db", **metrics),
        component("cache"),
    )

    found = [(n.service, n.relation) for n in catalog.neighbours(catalog.services[1])]

    assert found == [("db", "dependency"), ("web", "dependent")]
    assert catalog.services[0].depends_on == ("Cart", "elsewhere")


def test_a_service_in_another_namespace_carries_it_in_its_name() -> None:
    """Two services of one name in two namespaces are two services, and references find the right one."""
    other = component("cart", metrics_file="m.om").replace("metadata:\n", "metadata:\n  namespace: eu\n")
    catalog = catalog_of(
        component("cart", metrics_file="m.om"), other, component("web", depends_on=["component:eu/cart"])
    )

    assert [service.name for service in catalog.services] == ["cart", "eu/cart", "web"]
    assert [n.service for n in catalog.neighbours(catalog.services[2])] == ["eu/cart"]


def test_other_kinds_are_counted_and_passed_over() -> None:
    """A catalog file may hold the whole catalog."""
    others = "apiVersion: backstage.io/v1alpha1\nkind: {}\nmetadata: {{name: x}}\n"

    catalog = catalog_of(others.format("API"), component(), "\n", others.format("Group"), others.format("API"))

    assert len(catalog.services) == 1
    assert catalog.skipped == {"API": 2, "Group": 1}


def test_anchors_aliases_and_merges_mean_what_yaml_says() -> None:
    """A stream that shares annotations within a document reads like one that writes them out."""
    text = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: cart
  labels: &all {reliability-audit/git: a.git, reliability-audit/window: P1D}
  annotations: {<<: *all, reliability-audit/window: P2D}
"""
    service = catalog_of(text).services[0]

    assert service.git == Git(BASE, "a.git")
    assert service.window.length_s == 2 * DAY_S


def test_all_mistakes_of_a_manifest_are_told_at_once_with_their_lines() -> None:
    """Nobody mends one mistake per try. Each names its line, its entity and its annotation."""
    text = stream(
        component("cart", windw="P1D", git_path="src"), "kind: Componnet\n", component("Cart"), "kind: Component\n"
    )

    assert [(line, entity, field) for line, entity, field, _ in mistakes(text)] == [
        (6, "component 'cart'", "annotation 'reliability-audit/windw'"),
        (7, "component 'cart'", "annotation 'reliability-audit/git-path'"),
        (12, "document 2", "kind"),
        (17, "component 'Cart'", "metadata.name"),
        (22, "document 4", "metadata.name"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "holds no entities"),
        ("---\n---\n# only this\n", 1, "holds no entities"),
        ("apiVersion: backstage.io/v1alpha1\nkind: API\nmetadata: {name: x}\n", 1, "holds no Component, only 1 API"),
        ("a: b\nc: d: e\n", 2, "is no YAML"),
        ("a: [1, 2\n", 2, "is no YAML"),
        ("a: 1\nb: \x00\n", 2, "is no YAML"),
        ("kind: *nobody\n", 1, "alias *nobody names no anchor"),
        ("[" * 200_000, 1, "nested more than"),
        ("- " * 5_000 + "a", 1, "nested more than"),
        ("just words\n", 1, "is missing: an entity is a mapping"),
        ("- a\n- b\n", 1, "is missing: an entity is a mapping"),
        ("kind: Componnet\n", 1, "did you mean 'Component'?"),
        ("apiVersion: apps/v1\nkind: Component\nmetadata: {name: x}\n", 1, "is 'apps/v1'"),
        ("kind: Component\nmetadata: [a]\n", 2, "is no mapping"),
        ("kind: Component\nmetadata: {}\n", 2, "every Component has a name"),
        ("kind: Component\nmetadata: {name: [a]}\n", 2, "every Component has a name"),
        ("kind: Component\nmetadata:\n  name: 404\n", 3, "is an integer, and must be a text"),
        ('kind: Component\nmetadata:\n  name: "a\\nb"\n', 3, "unprintable"),
        ("kind: Component\nmetadata:\n  name: '@synthesis'\n", 3, "begins with an @"),
        ("kind: Component\nmetadata: {name: x, annotations: [a]}\n", 2, "is no mapping"),
        ("kind: Component\nmetadata: {name: x}\nspec: {dependsOn: 'component:a'}\n", 3, "is no list"),
        ("kind: Component\nmetadata: {name: x}\nspec:\n  dependsOn:\n  - {a: b}\n", 5, "no entity reference"),
        ("kind: Component\nmetadata: {name: x}\nspec: {owner: [a]}\n", 3, "is a list or a mapping"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where_and_why(text: str, line: int, said: str) -> None:
    """Malformed, empty, foreign or endless: the first mistake names its line."""
    found = mistakes(text)

    assert found[0][0] == line
    assert any(said in problem[3] for problem in found)


@pytest.mark.parametrize(
    ("annotations", "said"),
    [
        ({"window": "P0D"}, "impossible"),
        ({"window": "-P3D"}, "is negative"),
        ({"window": "P11Y"}, "impossible"),
        ({"window": "PT1S"}, "impossible"),
        ({"window": "P"}, "without a number"),
        ({"window": "P1DT"}, "without a number"),
        ({"window": "3 days"}, "is no ISO 8601 duration"),
        ({"window": "90"}, "is an integer, and must be a text"),
        ({"window": "P9Y", "as_of": "'1980-01-01'"}, "before 1970"),
        ({"as_of": "'2099-01-01'"}, "yet to come"),
        ({"as_of": "yesterday"}, "is no ISO 8601 date"),
        ({"as_of": "'2026-02-30'"}, "is no ISO 8601 date"),
        ({"git": ""}, "is empty, and must be a text"),
        ({"git": "''"}, "is empty: give it a value"),
        ({"runbooks": "' , '"}, "is empty: give it a value"),
        ({"git": "[a, b]"}, "is a list or a mapping"),
        ({"git": "true"}, "is a boolean"),
        ({"git": '"a\\nb"'}, "line break"),
        ({"git_path": "src"}, "needs reliability-audit/git beside it"),
        ({"incidents_format": "jsonl"}, "needs reliability-audit/incidents beside it"),
        ({"incidents_service": "cart"}, "needs reliability-audit/incidents beside it"),
        ({"incidents": "folder"}, "needs reliability-audit/incidents-format beside it"),
        ({"incidents": "folder", "incidents_format": "json"}, "write one of jsonl, cstate, markdown"),
        (
            {"prometheus_selector": "'{a=\"b\"}'"},
            "needs reliability-audit/prometheus-url or reliability-audit/metrics-",
        ),
        ({"prometheus_url": "http://h"}, "needs reliability-audit/prometheus-selector beside it"),
        ({"prometheus_url": "http://h", "prometheus_selector": "up", "metrics_file": "m"}, "from one of them"),
        ({"prometheus_url": "ftp://h", "prometheus_selector": "up"}, "no http or https URL"),
        ({"prometheus_url": "localhost:9090", "prometheus_selector": "up"}, "no http or https URL"),
        ({"prometheus_url": "http://", "prometheus_selector": "up"}, "no http or https URL"),
        ({"prometheus_url": "'http://[::1'", "prometheus_selector": "up"}, "is no URL"),
        ({"prometheus_url": "http://h:99999", "prometheus_selector": "up"}, "is no URL"),
        ({"prometheus_url": "http://h?token=s3cret", "prometheus_selector": "up"}, "keys belong in the environment"),
        ({"prometheus_url": "http://h", "prometheus_selector": "'{a=b}'"}, "does not parse"),
        ({"prometheus_url": "http://h", "prometheus_selector": "'{a=\"b\"'"}, "does not parse"),
        ({"prometheus_url": "http://h", "prometheus_selector": "'up[5m]'"}, "does not parse"),
        ({"prometheus_url": "http://h", "prometheus_selector": "'{}'"}, "picks every series"),
        ({"prometheus_url": "http://h", "prometheus_selector": "'{a=~\".*\"}'"}, "picks every series"),
        ({"prometheus_url": "http://h", "prometheus_selector": "'{a=~\"(\"}'"}, "no regular expression"),
        ({"GIT": "x"}, "did you mean 'reliability-audit/git'?"),
        ({"prometeus_url": "x"}, "did you mean 'reliability-audit/prometheus-url'?"),
        ({"zzz": "x"}, "known are incidents"),
    ],
)
def test_a_wrong_annotation_says_what_to_write_instead(annotations: dict[str, str], said: str) -> None:
    """Every value is checked before anything is spent."""
    assert said in mistake_in(**annotations)


@pytest.mark.parametrize(
    ("written", "days"),
    [("P90D", 90), ("P2W", 14), ("P1Y", 365), ("P1M", 30), ("PT36H", 1.5), ("P1DT12H", 1.5), ("P0.5D", 0.5)],
)
def test_durations_of_every_unit_are_read(written: str, days: float) -> None:
    """A year is 365 days and a month 30, as docs/audit.md says."""
    assert catalog_of(component(window=written)).services[0].window.length_s == days * DAY_S


@pytest.mark.parametrize(
    "written",
    ["'2026-08-23T19:00:00Z'", "2026-08-23T19:00:00Z", "'2026-08-23T21:00:00+02:00'", "'2026-08-23T19:00'"],
)
def test_as_of_may_be_written_with_or_without_quotes_and_zone(written: str) -> None:
    """YAML takes a bare time for a timestamp; it is read as it was written. Without a zone it is UTC."""
    assert catalog_of(component(as_of=written)).services[0].window.as_of_s == AS_OF_S


def test_an_annotation_with_a_misspelt_prefix_is_a_mistake_and_foreign_ones_are_not() -> None:
    """`reliability-audits/git` would be silently absent; `example.com/git` is somebody else's."""
    text = component(git="a.git")

    assert "unknown" in mistakes(text.replace("reliability-audit/", "reliabilty-audit/"))[0][3]
    assert mistakes(text.replace("reliability-audit/", "example.com/")) == []


def test_an_annotation_that_stands_twice_is_a_mistake() -> None:
    """YAML readers keep one of the two without a word."""
    text = component(git="a.git").replace("    reliability", "    reliability-audit/git: b.git\n    reliability")

    assert mistakes(text) == [
        (7, "component 'cart'", "annotation 'reliability-audit/git'", "is given twice, first at line 6: keep one")
    ]


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    """The message goes to logs; the key in it would, too."""
    said = mistake_in(prometheus_url="http://me:s3cret@h:9090", prometheus_selector="up")

    assert "has credentials in it: keys belong in the environment" in said
    assert "s3cret" not in said


def test_aliases_that_multiply_cost_nothing() -> None:
    """Nine levels of nine aliases would be 400 million values; nobody walks them."""
    bomb = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    merges = "m0: &m0 {k: v}\n" + "".join(
        f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 10)
    )
    entity = "kind: Component\nmetadata: {name: x, annotations: {reliability-audit/git: *a9}}\n"

    assert "is a list or a mapping" in mistakes(bomb + entity)[0][3]
    assert "merges more than" in mistakes(merges + "kind: Component\nmetadata: *m9\n")[0][3]


@given(st.text(max_size=200) | st.text(alphabet="-:{}[]&*!|>'\"<\n kindname", max_size=80))
def test_any_text_is_a_catalog_or_a_list_of_mistakes(text: str) -> None:
    """No text whatever gets past the reader as an exception, and none is both empty and free of mistakes."""
    catalog, problems = read(text)

    assert catalog.services or problems


def test_five_thousand_services_are_read_within_seconds() -> None:
    """The stack is flat and the work linear: 5,000 services are read as one, 5,000 times."""
    text = stream(*(component(f"s{n}", depends_on=[f"component:s{n // 2}"], **ALL) for n in range(5_000)))

    catalog = catalog_of(text)

    assert len(catalog.services) == 5_000
    assert [n.service for n in catalog.neighbours(catalog.services[7])] == ["s3", "s14", "s15"]

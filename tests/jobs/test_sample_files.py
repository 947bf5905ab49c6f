"""The sample estate on disk: the same bytes for the same seed, and every file valid in its format."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from budget.errors import RunDirectoryError, SettingsError
from jobs.sample import write_estate
from jobs.sample.kinds import Decoy, Planted, Source
from jobs.sample.write import FOLDERS, MARKER, SERVICES_MAX

SAMPLE = re.compile(r'[a-z0-9_]+(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\}) (\S+) (\d+)')


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "estate"
    write_estate(folder, services=40, seed=7)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """Every file but what Git keeps in its repositories."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    plain = {name: path for name, path in files.items() if not name.startswith("git/")}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in plain.items()}


def git(repository: Path, *arguments: str) -> str:
    command = ["git", f"--git-dir={repository}", *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def commits(folder: Path) -> dict[str, str]:
    return {path.name: git(path, "for-each-ref") for path in sorted((folder / "git").iterdir())}


def services(folder: Path) -> dict[str, dict[str, str]]:
    """The annotations of every service, by its name."""
    documents = yaml.safe_load_all((folder / "catalog-info.yaml").read_text(encoding="utf-8"))
    return {
        document["metadata"]["name"]: {
            name.removeprefix("reliability-audit/"): value
            for name, value in document["metadata"]["annotations"].items()
        }
        for document in documents
    }


def metrics(file: Path) -> str:
    data = file.read_bytes()
    unpacked = {".gz": gzip.decompress, ".xz": lzma.decompress}.get(file.suffix, bytes)(data)
    return bytes(unpacked).decode("ascii")


def test_the_same_seed_gives_the_same_bytes_and_commit_ids(estate: Path, tmp_path: Path) -> None:
    """Packed files too: neither the clock nor the folder's name is in them."""
    write_estate(tmp_path / "again", services=40, seed=7)

    assert hashes(tmp_path / "again") == hashes(estate)
    assert commits(tmp_path / "again") == commits(estate)
    assert len(hashes(estate)) > 300


def test_a_former_sample_is_replaced_whole(tmp_path: Path) -> None:
    """What another seed left is gone, what a user laid beside it stays, and an interrupted one can be written anew."""
    folder = tmp_path / "sample"
    write_estate(folder, services=12, seed=1)
    first = (hashes(folder), commits(folder))
    (folder / "runs").mkdir()
    (folder / "runs" / "kept.txt").write_text("kept", encoding="utf-8")

    write_estate(folder, services=9, seed=2)
    (folder / "catalog-info.yaml").unlink()
    write_estate(folder, services=12, seed=1)

    assert (folder / "runs" / "kept.txt").read_text(encoding="utf-8") == "kept"
    shutil.rmtree(folder / "runs")
    assert (hashes(folder), commits(folder)) == first


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Nobody's files are overwritten, whatever they are called."""
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / MARKER).write_text('{"schema": "another"}', encoding="utf-8")

    with pytest.raises(RunDirectoryError, match="not empty and no sample"):
        write_estate(tmp_path, services=1, seed=1)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["git", "mine.txt", MARKER]


@pytest.mark.parametrize("count", [0, -3, SERVICES_MAX + 1])
def test_a_count_out_of_range_is_refused(tmp_path: Path, count: int) -> None:
    """The message names the value and the limits, and nothing is written."""
    with pytest.raises(SettingsError, match=f"--services is {count}, and must be between 1 and {SERVICES_MAX}"):
        write_estate(tmp_path / "sample", services=count, seed=1)

    assert not (tmp_path / "sample").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, place: str) -> None:
    """A file where the folder should be, or on the way to it."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_estate(tmp_path / place, services=1, seed=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_service_is_an_estate(tmp_path: Path, seed: int) -> None:
    """With all that the manifest names, and something planted."""
    summary = write_estate(tmp_path / "sample", services=1, seed=seed)

    assert (summary.services, summary.planted, summary.decoys) == (1, 1, 0)
    assert summary.manifest.exists()
    assert summary.truth.exists()


def test_all_that_the_manifest_names_is_there(estate: Path) -> None:
    """Every path of every service, and every subpath with a commit in its repository."""
    for given in services(estate).values():
        paths = [given[key] for key in ("incidents", "git", "metrics-file") if key in given]
        paths += given.get("runbooks", "").split(",") if "runbooks" in given else []
        assert all((estate / path).exists() for path in paths)
        for subpath in filter(None, given.get("git-path", "").split(",")):
            assert git(estate / given["git"], "log", "-1", "--format=%H", "--", subpath)


def test_repositories_are_whole_and_their_history_runs_forward(estate: Path) -> None:
    """Git's own check finds nothing, reverts put back what was there, and no commit is older than its parent."""
    for repository in sorted((estate / "git").iterdir()):
        git(repository, "fsck", "--strict", "--no-dangling")
        times = [int(line) for line in git(repository, "log", "--format=%ct").split()]
        assert times == sorted(times, reverse=True)
        assert len(times) > 30


def test_the_users_git_settings_have_no_say(tmp_path: Path) -> None:
    """Inside a hook, under another identity and with another default branch the commit ids are the same."""
    config = tmp_path / "gitconfig"
    config.write_text("[init]\n\tdefaultBranch = trunk\n[user]\n\tname = Somebody\n", encoding="utf-8")
    script = "import sys; from pathlib import Path; from jobs.sample import write_estate\n"
    script += "write_estate(Path(sys.argv[1]), services=3, seed=4)"
    hostile = {"GIT_DIR": str(tmp_path / "elsewhere"), "GIT_CONFIG_GLOBAL": str(config), "GIT_AUTHOR_NAME": "Somebody"}
    environments = {"plain": dict(os.environ), "hostile": {**os.environ, **hostile}}
    for name, environment in environments.items():
        subprocess.run([sys.executable, "-c", script, str(tmp_path / name)], env=environment, check=True)

    assert commits(tmp_path / "plain") == commits(tmp_path / "hostile")


def test_every_incident_file_parses(estate: Path) -> None:
    """JSON objects with an id of their own, pages with front matter, and text that names service and start."""
    ids: list[str] = []
    for given in services(estate).values():
        if "incidents" not in given:
            continue
        place, names = estate / given["incidents"], given.get("incidents-service", "").split(",")
        if given["incidents-format"] == "jsonl":
            records = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
            ids += [record["id"] for record in records if record["service"] in names]
            assert all(datetime.fromisoformat(record["started_at"]) for record in records)
        elif given["incidents-format"] == "cstate":
            for page in place.glob("*.md"):
                front = yaml.safe_load(page.read_text(encoding="utf-8").split("---\n")[1])
                assert {"title", "date", "resolved", "severity", "affected"} <= set(front)
        else:
            assert all("First detected: 2026-" in page.read_text(encoding="utf-8") for page in place.glob("*.md"))
    assert len(ids) == len(set(ids)) > 50


def test_every_metrics_file_is_openmetrics(estate: Path) -> None:
    """Families in one piece with type and help, every line a labelled sample, moments ascending, one end."""
    for given in services(estate).values():
        if "metrics-file" in given:
            check_openmetrics(metrics(estate / given["metrics-file"]))


def check_openmetrics(text: str) -> None:
    *lines, end = text.splitlines()
    families: list[str] = []
    latest: dict[str, int] = {}
    for line in lines:
        if line.startswith("# TYPE "):
            families.append(line.split()[2])
        elif not line.startswith("# HELP "):
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            assert line.startswith(families[-1]), line
            assert float(matched[3]) >= 0
            series = line.split(" ")[0]
            assert latest.get(series, 0) < int(matched[4])
            latest[series] = int(matched[4])
    assert end == "# EOF"
    assert text.endswith("\n")
    assert len(families) == len(set(families)) >= 4


def test_the_reference_parser_reads_every_stack(estate: Path) -> None:
    """The Prometheus client's strict parser takes the last moment of each shape of file: buckets add up to counts.

    One moment, because of several it keeps no more than the first bucket of a histogram.
    """
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="prometheus_client is not installed")
    shapes: dict[str, str] = {}
    for given in services(estate).values():
        if "metrics-file" in given:
            text = metrics(estate / given["metrics-file"])
            shapes.setdefault(text.splitlines()[0], text)

    assert len(shapes) == 5
    for text in shapes.values():
        moment = text.splitlines()[-2].split(" ")[-1]
        last = [
            line for line in text.splitlines(keepends=True) if line.startswith("#") or line.endswith(f" {moment}\n")
        ]
        assert len(list(parser.text_string_to_metric_families("".join(last)))) >= 4


def test_promtool_makes_blocks_of_a_metrics_file(estate: Path, tmp_path: Path) -> None:
    """What the sample writes can be loaded into a Prometheus server as it is."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    file = tmp_path / "all.om"
    file.write_text(metrics(min((estate / "metrics").iterdir())), encoding="ascii")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2400h", str(file)]

    subprocess.run([*command, str(tmp_path / "blocks")], check=True, capture_output=True)

    assert list((tmp_path / "blocks").iterdir())


def test_promtool_accepts_every_rule_file(estate: Path) -> None:
    """Names, expressions, durations and annotations as Prometheus wants them."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    files = sorted(str(path) for path in (estate / "runbooks").glob("*/alerts.yml"))

    checked = subprocess.run(["promtool", "check", "rules", *files], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_nothing_beside_the_truth_tells_the_truth(estate: Path) -> None:
    """No file but truth.json says planted, decoy, symptom or names a kind."""
    truth = json.loads((estate / "truth.json").read_text(encoding="utf-8"))
    kinds = {kind for entry in truth["services"].values() for kind in [*entry["planted"], entry["decoy"]] if kind}
    telling = re.compile("|".join(["planted", "decoy", "symptom", *kinds]))
    files = [path for path in estate.rglob("*") if path.suffix in {".yaml", ".yml", ".md", ".jsonl"}]
    messages = [git(path, "log", "--format=%B%an%ae") for path in (estate / "git").iterdir()]

    assert len(kinds) >= 8 + 8
    assert {entry["lacks"] for entry in truth["services"].values()} == {None, *(source.value for source in Source)}
    assert not [path for path in files if telling.search(path.read_text(encoding="utf-8") + path.name)]
    assert not [message for message in messages if telling.search(message)]


def test_the_docs_name_every_kind(estate: Path) -> None:
    """Whoever reads truth.json finds its words explained."""
    text = (Path(__file__).parents[2] / "docs" / "sample.md").read_text(encoding="utf-8")

    assert all(f"| `{kind.value}` |" in text for kind in (*Planted, *Decoy))
    assert all(f"  {name}" in text or f"  {name}/" in text for name in ("truth.json", MARKER, *FOLDERS))
    assert {path.name for path in estate.iterdir()} == {"catalog-info.yaml", "truth.json", MARKER, *FOLDERS}


@pytest.mark.slow
def test_two_thousand_services_are_written_whole(tmp_path: Path) -> None:
    """Every file that the manifest names is there, about half a gigabyte of them."""
    summary = write_estate(tmp_path / "sample", services=2_000, seed=3)

    named = services(tmp_path / "sample")
    assert (len(named), summary.planted) == (2_000, 600)
    for given in named.values():
        paths = [given[key] for key in ("incidents", "git", "metrics-file") if key in given]
        assert all((tmp_path / "sample" / path).exists() for path in paths)

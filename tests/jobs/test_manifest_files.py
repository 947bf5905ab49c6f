"""Manifests as files: what the command reads, and the one error that it shows."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from budget.errors import ManifestError
from jobs.manifest import load_manifest
from support.manifests import ALL, NOW_S, component, stream


def test_paths_are_relative_to_the_manifest_whatever_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that is named by a relative path has the same base as by its full one."""
    (tmp_path / "estate").mkdir()
    (tmp_path / "estate" / "services.yaml").write_text("\ufeff" + component(**ALL), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    catalog = load_manifest("estate/services.yaml", now_s=NOW_S)

    assert catalog.services[0].git is not None
    assert catalog.services[0].git.base == str((tmp_path / "estate").resolve())


def test_the_error_names_file_line_entity_and_annotation_of_each_mistake(tmp_path: Path) -> None:
    """One line for each, the first twenty, and how many more."""
    file = tmp_path / "services.yaml"
    file.write_text(stream(*(component(f"s{n}", windw="P1D") for n in range(30))))

    with pytest.raises(ManifestError) as caught:
        load_manifest(file, now_s=NOW_S)

    lines = str(caught.value).splitlines()
    assert lines[0] == (
        f"{file}:6: component 's0', annotation 'reliability-audit/windw' is unknown: "
        "did you mean 'reliability-audit/window'?"
    )
    assert len(lines) == 21
    assert lines[-1] == f"and 10 more mistakes in {file}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no entities"),
        (b"a: \xe9\n", "is not UTF-8 (byte 3)"),
        (component().encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_manifest_says_so(tmp_path: Path, content: bytes, said: str) -> None:
    """Empty or in another encoding: the file is named, and what to do."""
    file = tmp_path / "services.yaml"
    file.write_bytes(content)

    with pytest.raises(ManifestError) as caught:
        load_manifest(file, now_s=NOW_S)

    assert str(caught.value).startswith(f"{file}:1:")
    assert said in str(caught.value)


def test_a_missing_manifest_or_a_folder_is_the_callers_mistake(tmp_path: Path) -> None:
    """No traceback: the path, and what the system said."""
    for path in (tmp_path, tmp_path / "nothing.yaml"):
        with pytest.raises(ManifestError, match="cannot be read"):
            load_manifest(path, now_s=NOW_S)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    """Neither a pipe that nobody writes to nor a device without end is opened."""
    os.mkfifo(tmp_path / "services.yaml")

    for path in (tmp_path / "services.yaml", Path("/dev/zero")):
        with pytest.raises(ManifestError, match="save the manifest as a file"):
            load_manifest(path, now_s=NOW_S)


def test_the_fingerprint_is_of_the_text(tmp_path: Path) -> None:
    """A resumed run knows its input again, and another input from it."""
    prints = []
    for number, text in enumerate((component(), component(), component("other"))):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        prints.append(load_manifest(file, now_s=NOW_S).fingerprint)

    assert prints[0] == prints[1] != prints[2]

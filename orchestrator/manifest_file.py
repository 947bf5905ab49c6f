"""The manifest in a run directory: what was asked, and so whose all other files are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from actors.contracts import JsonValue
from budget.errors import RunDirectoryError
from orchestrator.object_files import reason_of
from orchestrator.run_manifest import read_manifest
from orchestrator.store_errors import usable
from orchestrator.store_files import Files

MANIFEST = "manifest.json"


@dataclass(slots=True)
class ManifestFile:
    """One run's manifest. The run's id is read once, when somebody asks for it."""

    files: Files
    _run_id: str | None = None

    @property
    def run_id(self) -> str:
        """Empty when the manifest names none. Raises RunDirectoryError when it cannot be read."""
        if self._run_id is None:
            self._run_id = _run_id_of(self.read())
        return self._run_id

    def read(self) -> dict[str, JsonValue]:
        """What was asked. Raises RunDirectoryError when it cannot be read."""
        try:
            return read_manifest(self.files.read(MANIFEST).to_pybytes())
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else error
            raise RunDirectoryError(f"{self.files.shown}/{MANIFEST} cannot be read ({reason}): restore it") from None

    def write(self, manifest: Mapping[str, JsonValue]) -> None:
        """Durably, and whole or not at all. Raises RunDirectoryError when it cannot be written."""
        with usable(self.files):
            self.files.put(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode(), durable=True)
        self._run_id = _run_id_of(manifest)


def _run_id_of(manifest: Mapping[str, JsonValue]) -> str:
    return str(manifest.get("run_id", ""))

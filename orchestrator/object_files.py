"""A run directory in an object store, or in a folder of any other file system that `pyarrow.fs` knows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from orchestrator.leases import Lease, Leasing
from orchestrator.silence import Silence

LEASES = "lock"  # the folder of those who work on the directory
_AWS = re.compile(
    r"AWS Error (\w+(?: \([^)]*\))?) during \w+ operation:\s*(?:curlCode: \d+, )?"
    r"(.*?)(?: \(Request ID.*|; Details:.*)?\Z"
)


def reason_of(error: OSError) -> str:
    """What went wrong, in a few words."""
    text = " ".join(str(error).split())
    if found := _AWS.search(text):
        said = found[2].rstrip(". ").removeprefix("No response body")
        return f"{found[1].lower().replace('_', ' ')}{': ' * bool(said)}{said}"[:200]
    return error.strerror or text[:200] or type(error).__name__


@dataclass(slots=True)
class ObjectFiles:
    """A prefix in a store. An object appears when it is whole, and is durable then; elsewhere a rename makes it so."""

    system: fs.FileSystem
    base: str
    shown_as: str
    silence: Silence = field(default_factory=Silence)  # of the store: shared with what lies below
    _leasing: Leasing = field(init=False)

    def __post_init__(self) -> None:
        self._leasing = Leasing(self)

    @property
    def shown(self) -> str:
        return self.shown_as

    @property
    def spare_used(self) -> bool:
        return False

    def give_back(self) -> None:
        """Nothing is set aside in a store."""

    @property
    def scratch(self) -> Path | None:
        return None

    @property
    def _is_store(self) -> bool:
        return self.system.type_name in ("s3", "gcs", "abfs")

    def prepare(self, folders: tuple[str, ...]) -> None:
        if not self._is_store:
            for folder in folders:
                self.system.create_dir(f"{self.base}/{folder}", recursive=True)

    def names(self, folder: str) -> list[str]:
        return sorted(info.base_name for info in self._infos(folder) if info.is_file)

    def exists(self, name: str) -> bool:
        """Raises FileNotFoundError when the bucket itself is missing: that is another mistake."""
        with self.silence.asked():
            if self.system.get_file_info(f"{self.base}/{name}").is_file:
                return True
            bucket = self.base.partition("/")[0]
            if self._is_store and self.system.get_file_info(bucket).type == fs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket!r}, or these credentials may not see it")
            return False

    def folders(self) -> list[str]:
        return sorted(info.base_name for info in self._infos("") if info.type == fs.FileType.Directory)

    def below(self, folder: str) -> ObjectFiles:
        address, mark, query = self.shown_as.partition("?")
        shown = f"{address.rstrip('/')}/{folder}{mark}{query}"
        return ObjectFiles(self.system, f"{self.base}/{folder}", shown, silence=self.silence)

    def read(self, name: str) -> pa.Buffer:
        with self.silence.asked(), self.system.open_input_file(f"{self.base}/{name}") as file:
            return file.read_buffer()

    def put(self, name: str, data: bytes | pa.Buffer, *, durable: bool) -> None:  # noqa: ARG002  (a put is durable)
        self._leasing.check()
        self._put(name, data)

    def settle(self, folder: str) -> None:
        """What is seen in an object store is durable."""

    def move(self, name: str, to: str) -> None:
        self.prepare((to.rpartition("/")[0],))
        with self.silence.asked():
            self.system.move(f"{self.base}/{name}", f"{self.base}/{to}")

    def remove(self, name: str) -> None:
        with self.silence.asked():
            self.system.delete_file(f"{self.base}/{name}")

    def lock(self) -> bool:
        return self._leasing.take()

    def locked(self) -> bool:
        return self._leasing.taken()

    def unlock(self) -> None:
        """A store that is silent is not asked to forget a lease: it lapses, or its process is seen to be gone."""
        self._leasing.release(silently=self.silence.lasts)

    def write_lease(self, token: str, said: bytes) -> None:
        self.prepare((LEASES,))
        self._put(f"{LEASES}/{token}", said)

    def leases(self) -> list[Lease]:
        found = []
        for info in self._infos(LEASES):
            if info.is_file and not info.base_name.startswith("."):
                found.append(Lease(info.base_name, info.mtime.timestamp(), self._said(info.base_name)))
        return found

    def remove_lease(self, token: str) -> None:
        try:
            self.remove(f"{LEASES}/{token}")
        except FileNotFoundError:
            return

    def _said(self, token: str) -> dict[str, object]:
        """What a lease says; nothing, when it was removed just now or is none."""
        try:
            said = json.loads(self.read(f"{LEASES}/{token}").to_pybytes())
        except (FileNotFoundError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def _infos(self, folder: str) -> list[fs.FileInfo]:
        path = f"{self.base}/{folder}".rstrip("/")
        with self.silence.asked():
            return list(self.system.get_file_info(fs.FileSelector(path, allow_not_found=True)))

    def _put(self, name: str, data: bytes | pa.Buffer) -> None:
        target = f"{self.base}/{name}"
        folder, _, own = target.rpartition("/")
        written = target if self._is_store else f"{folder}/.{own}.tmp"
        with self.silence.asked():
            with self.system.open_output_stream(written, compression=None) as file:
                file.write(data)
            if written != target:
                self.system.move(written, target)

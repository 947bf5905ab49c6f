"""An S3-compatible server in a process of its own, and a wire to it that can be cut."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from pyarrow import fs

BUCKET = "runs"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
SETTING_UP = 5  # requests that need no credentials: making the user that the others are checked against


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A server on loopback with one bucket. Its `environment` has the credentials that it checks."""

    port: int
    environment: dict[str, str]

    def uri(self, path: str, *, port: int | None = None, bucket: str = BUCKET) -> str:
        return f"s3://{bucket}/{path}?endpoint_override=http://127.0.0.1:{port or self.port}&region=us-east-1"

    def objects(self, path: str) -> dict[str, bytes]:
        """Each object below a path, by its name there."""
        found = self._system().get_file_info(fs.FileSelector(f"{BUCKET}/{path}", recursive=True, allow_not_found=True))
        names = [info.path for info in found if info.is_file]
        return {name.removeprefix(f"{BUCKET}/{path}/"): self._read(name) for name in names}

    def write(self, name: str, data: bytes) -> None:
        with self._system().open_output_stream(f"{BUCKET}/{name}", compression=None) as file:
            file.write(data)

    def _read(self, name: str) -> bytes:
        with self._system().open_input_file(name) as file:
            return bytes(file.read())

    def _system(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key=self.environment["AWS_ACCESS_KEY_ID"],
            secret_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            endpoint_override=f"http://127.0.0.1:{self.port}",
            allow_delayed_open=True,
        )


@contextmanager
def object_store(home: Path) -> Iterator[ObjectStore]:
    """A server that runs until the block ends; `home` stands for that of who uses it."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(SETTING_UP)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port, process)
        yield ObjectStore(port, {"HOME": str(home), **_set_up(port)})
    finally:
        process.kill()
        process.wait()


def _set_up(port: int) -> dict[str, str]:
    """A bucket, and a user who may do anything. Gives the user's credentials as environment variables."""
    anybody = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    address = f"http://127.0.0.1:{port}"
    users = boto3.client("iam", endpoint_url=address, **anybody)
    users.create_user(UserName="muster")
    key = users.create_access_key(UserName="muster")["AccessKey"]
    users.put_user_policy(UserName="muster", PolicyName="all", PolicyDocument=POLICY)
    boto3.client("s3", endpoint_url=address, **anybody).create_bucket(Bucket=BUCKET)
    boto3.client("s3", endpoint_url=address, **anybody).list_buckets()
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@dataclass(slots=True)
class Wire:
    """A port that leads to another one, until it is cut: then nobody answers there."""

    to: int
    port: int = 0
    _listener: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    def lay(self) -> None:
        """Also again, on the port of before."""
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                self._open += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_s = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the object store has ended"
        assert time.monotonic() < give_up_s, "the object store did not begin within a minute"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)

"""A real S3 server on loopback: SeaweedFS, which comes as a package of Python."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

START_SECONDS = 60
ABOVE = 10_000
"""How far above its port each part of the server speaks gRPC."""
ACCESS_KEY, SECRET_KEY = "copies", "canary-s3cret-of-copies"
READER_KEY, READER_SECRET = "reader", "canary-s3cret-of-reader"
IDENTITIES = {
    "identities": [
        {
            "name": "copies",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Write"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ]
}


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """The running server; `client` is a plain one, to look at it from the side."""

    port: int
    client: Any

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(folder: Path, *, volume_megabytes: int = 16) -> Iterator[S3Server]:
    """Run a server whose files lie in an empty folder. Several may run side by side."""
    ports = free_ports()
    command = weed(folder, ports, volume_megabytes=volume_megabytes)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=own_environment(folder))
    try:
        yield wait_for_objects(server, ports["s3"], log=folder / "log")
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder / "data", ignore_errors=True)  # of gigabytes, after the long forms
        for port in ports.values():
            clear_sockets(port)


def clear_sockets(port: int) -> None:
    """Remove what a server that was killed leaves, at places that it lets nobody choose."""
    for number in (port, port + ABOVE):
        for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
            left.unlink()


def weed(folder: Path, ports: dict[str, int], *, volume_megabytes: int) -> list[str]:
    """Return the command of a server of everything, which talks to nobody but itself."""
    (folder / "data").mkdir()
    (folder / "s3.json").write_text(json.dumps(IDENTITIES))
    each = [f"-{part}.port{kind}={ports[part] + more}" for part in ports for kind, more in (("", 0), (".grpc", ABOVE))]
    return [
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={folder}/data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *each,
        "-filer",
        "-s3",
        f"-s3.config={folder}/s3.json",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-volume.max=400",
        f"-master.volumeSizeLimitMB={volume_megabytes}",
        "-master.telemetry=false",
    ]


def own_environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}


def free_ports() -> dict[str, int]:
    """Return a port for each part of the server, all below those that the system gives to connections."""
    ports: dict[str, int] = {}
    first = 11_000 + os.getpid() * 40 % 10_000  # workers begin within a moment of each other, with pids in a row
    candidates = iter(range(first, 22_000))
    for part in ("master", "volume", "filer", "s3"):
        ports[part] = next(port for port in candidates if is_free(port) and is_free(port + ABOVE))
    return ports


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for_objects(server: subprocess.Popen[bytes], port: int, *, log: Path) -> S3Server:
    """Return the server once it takes an object and gives it back: its port answers long before."""
    client = plain_client(f"http://127.0.0.1:{port}")
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and server.poll() is None:
        try:
            client.create_bucket(Bucket="probe")
            client.put_object(Bucket="probe", Key="probe", Body=b"x")
            if client.get_object(Bucket="probe", Key="probe")["Body"].read() == b"x":
                return S3Server(port=port, client=client)
        except client.exceptions.BucketAlreadyExists:
            client.delete_bucket(Bucket="probe")
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise AssertionError(f"SeaweedFS did not start: {log.read_text()[-2000:]}")


def plain_client(endpoint: str) -> Any:
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        connect_timeout=5,
        request_checksum_calculation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=config,
    )

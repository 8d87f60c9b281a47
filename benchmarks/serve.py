"""Requests a second of ``focaltab serve`` by concurrent clients, and a request of many rows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks._pairs import environment

N_ROWS, N_FEATURES, N_ROUNDS = 20_000, 20, 200
CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128)
SHOWN = (1, 8, 32, 128)
SECONDS = 2.0
MANY_ROWS = 10_000
# Of the most requests a second: more clients than at the knee only wait longer.
KNEE = 0.95


@dataclass(frozen=True)
class Load:
    """What so many clients, each with one request at a time, were answered."""

    clients: int
    rate: float
    median: float
    slowest: float
    errors: int


def _save_model(folder: Path) -> list[bytes]:
    """Save a model into the folder; requests of one row each."""
    import focaltab

    rng = np.random.default_rng(0)
    names = [f"x{j}" for j in range(N_FEATURES)]
    X = pd.DataFrame(rng.normal(size=(N_ROWS, N_FEATURES)), columns=names)
    y = rng.random(N_ROWS) < expit(-5.0 + 1.5 * X["x0"] + X["x1"] * X["x2"])
    model = focaltab.FocalXGBClassifier(n_estimators=N_ROUNDS, max_depth=6, n_jobs=1)
    focaltab.save(model.fit(X, y), folder, X=X, y=y)
    return [_request(row) for row in X.head(1000).to_dict("records")]


def _request(content: object) -> bytes:
    body = json.dumps(content).encode()
    return (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[int]:
    """The real server in a process of its own; its port."""
    command = [sys.executable, "-u", "-m", "focaltab", "serve", str(folder), "--port", "0"]
    threads = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=threads) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)$", process.stdout.readline().strip())
            assert found is not None
            yield int(found[1])
        finally:
            process.terminate()


async def _answered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> bool:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    assert length is not None
    await reader.readexactly(int(length[1]))
    return head.startswith(b"HTTP/1.1 200 ")


async def _load(port: int, requests: list[bytes], clients: int) -> Load:
    took: list[float] = []
    errors = 0
    start = time.perf_counter()

    async def client(k: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < start + SECONDS:
            began = time.perf_counter()
            k += 1
            errors += not await _answered(reader, writer, requests[k % len(requests)])
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*map(client, range(clients)))
    rate = len(took) / (time.perf_counter() - start)
    median, slowest = np.quantile(took, [0.5, 0.99])
    return Load(clients, rate, float(median) * 1e3, float(slowest) * 1e3, errors)


async def _many_rows(port: int, requests: list[bytes], n_times: int) -> list[float]:
    """Seconds that a request of many rows takes."""
    rows = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]
    long = _request(rows * (MANY_ROWS // len(rows)))
    took = []
    for _ in range(n_times):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        start = time.perf_counter()
        if not await _answered(reader, writer, long):
            raise RuntimeError(f"a request of {MANY_ROWS:,} rows was refused")
        took.append(time.perf_counter() - start)
        writer.close()
    return took


async def _measure(port: int, requests: list[bytes], n_times: int) -> tuple[list[Load], Load, list]:
    for _ in range(200):  # until the server listens
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
    await _load(port, requests, 8)
    loads = [await _load(port, requests, clients) for clients in CLIENTS]
    best = max(load.rate for load in loads)
    knee = next(load for load in loads if load.rate >= KNEE * best)
    twice = next((load for load in loads if load.clients == 2 * knee.clients), None)
    if twice is None:
        twice = await _load(port, requests, 2 * knee.clients)
    return [knee, *loads], twice, await _many_rows(port, requests, n_times)


def run(n_pairs: int) -> str:
    """Return the section of ``docs/benchmarks.md``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        requests = _save_model(folder)
        with _server(folder) as port:
            (knee, *loads), twice, many = asyncio.run(_measure(port, requests, n_pairs))
    table = "\n".join(
        f"| {load.clients} | {load.rate:,.0f} | {load.median:.1f} | {load.slowest:.1f} | "
        f"{load.errors} |"
        for load in loads
        if load.clients in SHOWN
    )
    seconds = statistics.median(many)
    return f"""## Served over HTTP

`focaltab serve` with one worker on the loopback address: a `FocalXGBClassifier` of {N_ROUNDS}
rounds on {N_FEATURES} numbers. Each client sends one row, waits for the answer and sends the next,
for {SECONDS:g} s. Server and clients share the machine's {os.cpu_count()} cores, so part of every
figure is the clients' own.

| clients | requests a second | median, ms | 99th percentile, ms | errors |
| ---: | ---: | ---: | ---: | ---: |
{table}

The knee, from which on more clients only wait longer, is at {knee.clients} clients
({knee.rate:,.0f} requests a second; the least of {", ".join(map(str, CLIENTS))} with {KNEE:.0%} of
the most). At twice as many, {twice.clients}: {twice.rate:,.0f} requests a second, 99th percentile
{twice.slowest:.1f} ms, {twice.errors} errors.

One request of {MANY_ROWS:,} rows takes {seconds:.2f} s (median of {len(many)}),
{MANY_ROWS / seconds:,.0f} rows a second.

{environment("fastapi", "starlette", "uvicorn", "pydantic", "xgboost", "pandas")}
"""


if __name__ == "__main__":
    print(run(5))

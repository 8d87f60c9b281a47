"""``focaltab serve`` as a user runs it: a real server in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("torch")

import httpx
from command_line import invoke

KEY = "schlüssel"


class Server:
    def __init__(self, *arguments, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "focaltab", "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + self.process.stderr.read()
        self.url = found[0]
        self.said = line

    def __enter__(self):
        return self

    def wait_until_ready(self):
        for _ in range(6000):
            try:
                return httpx.get(f"{self.url}/health").raise_for_status()
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def end(self):
        self.process.terminate()
        out, err = self.process.communicate(timeout=300)
        return self.process.returncode, self.said + out, err

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.mark.slow
def test_a_server_from_start_to_end(saved):
    given = saved("trained")
    rows = given.rows(20)
    options = [given.path, "--port", 0, "--api-key-env", "THE_KEY", "--max-rows", 8000]
    headers = {"X-API-Key": KEY.encode()}
    with (
        Server(*options, "--max-body-mb", 4, THE_KEY=KEY) as server,
        httpx.Client(base_url=server.url, headers=headers, timeout=600) as client,
    ):
        health = server.wait_until_ready().json()
        assert health["model"].endswith("TabularPipeline") and health["status"] == "ready"
        answer = client.post("/predict", json=rows).json()
        expected = given.model.predict_proba(given.X[:20])[:, 1].tolist()
        assert [p["probability"] for p in answer["predictions"]] == expected
        assert client.post("/predict", json=[rows[0]] * 8001).status_code == 413
        assert client.post("/predict?token=hidden", json={"city": "private"}).is_client_error
        assert "focaltab_rows_total 20.0" in client.get("/metrics").text
        assert httpx.post(f"{server.url}/predict", json=rows[0]).status_code == 401
        check_long_bodies(server.url)
        statuses = asked_until_the_end(server, client, rows * 400)
        code, out, err = server.end()
    assert statuses == [200] * 3
    assert code in (0, -signal.SIGTERM)
    # What follows a body and is no request may be read before the client has hung up.
    assert err in ("", "WARNING:  Invalid HTTP request received.\n")
    assert out.startswith("Serving ") and out.count("\n") == 1
    for secret in (KEY, "private", "hidden", "Traceback"):
        assert secret not in out + err


def asked_until_the_end(server, client, rows):
    """Requests that have begun when the server is told to end are answered."""
    statuses = []

    def ask():
        statuses.append(client.post("/predict", json=rows).status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 600
    n_rows = 0.0
    while n_rows < 24_020 and time.monotonic() < deadline:  # until the last of them is in work
        time.sleep(0.01)
        n_rows = float(
            re.search(r"^focaltab_batch_rows_sum (\S+)", client.get("/metrics").text, re.M)[1]
        )
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(600)
    return statuses


def check_long_bodies(url):
    """A body without a length, and one that says less than it sends."""
    host, port = url.removeprefix("http://").split(":")
    head = (
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {KEY}\r\n"
    ).encode()
    with socket.create_connection((host, int(port)), timeout=100) as plain:
        plain.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        for _ in range(123):  # no end of the body is ever sent
            plain.sendall(chunk)
        assert plain.recv(100).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((host, int(port)), timeout=100) as plain:
        plain.sendall(head + b"Content-Length: 999999999999\r\n\r\n[")
        assert plain.recv(100).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((host, int(port)), timeout=100) as plain:
        plain.sendall(head + b"Content-Length: 2\r\n\r\n[] and more that is no request\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 422 ")


@pytest.mark.slow
def test_workers_serve_the_same_model_behind_an_open_door(saved):
    given = saved("numbers lgbm")
    options = ["--port", 0, "--workers", 2, "--host", "0.0.0.0"]
    with Server(given.path, *options, OMP_NUM_THREADS="1") as server:
        server.wait_until_ready()
        answer = httpx.post(f"{server.url}/predict", json=given.rows(3), timeout=600).json()
        expected = given.model.predict_proba(given.X[:3])[:, 1].tolist()
        assert [p["probability"] for p in answer["predictions"]] == expected
        _, _, err = server.end()
    assert err.startswith("Warning: anybody who reaches 0.0.0.0") and "--api-key-env" in err


def refused(*arguments, **environment):
    done = invoke("serve", *arguments, **environment)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_what_cannot_start_says_why_in_one_line(saved, tmp_path):
    path = saved("numbers lgbm").path
    assert "no saved model" in refused(tmp_path)
    assert "no variable NO_SUCH_KEY" in refused(path, "--api-key-env", "NO_SUCH_KEY")
    assert "API key is empty" in refused(path, "--api-key-env", "EMPTY", EMPTY="")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "already in use" in refused(path, "--port", port)
    assert "--port must" in refused(path, "--port", 70_000)
    assert "max_rows must" in refused(path, "--max-rows", 0)


def test_a_damaged_model_is_not_served(saved, tmp_path):
    whole = saved("numbers lgbm").path
    broken = tmp_path / "m"
    broken.mkdir()
    for file in whole.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["positive"] = "fine"
    (broken / "manifest.json").write_text(json.dumps(manifest))
    assert "manifest.json is not the file that was saved" in refused(broken)

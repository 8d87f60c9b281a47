import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from focaltab._compat.others import uncompiled

SERVER = """
import socket, sys
from focaltab._compat.others import serve_by_workers

def make():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})
    return app

if __name__ == "__main__":
    opened = socket.socket(fileno=int(sys.argv[1]))
    serve_by_workers("served:make", 2, opened, {"log_level": "error", "lifespan": "off"})
"""


def test_a_module_is_found_inside_of_its_compiled_form():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(2, 1)
    assert uncompiled(torch.compile(layer)) is layer
    assert uncompiled(layer) is layer


def test_what_is_not_compiled_stays():
    thing = object()
    assert uncompiled(thing) is thing


def test_several_workers_serve_on_one_socket_until_a_signal(tmp_path):
    pytest.importorskip("uvicorn")
    (tmp_path / "served.py").write_text(SERVER)
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        paths = os.pathsep.join([str(tmp_path), os.getcwd()])
        served = subprocess.Popen(
            [sys.executable, tmp_path / "served.py", str(opened.fileno())],
            pass_fds=[opened.fileno()],
            env={**os.environ, "PYTHONPATH": paths},
        )
    try:
        assert _body(f"http://127.0.0.1:{port}/") == b"here"
    finally:
        served.send_signal(signal.SIGTERM)
    assert served.wait(60) in (0, -signal.SIGTERM)


def _body(address):
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

"""The serve command as a process of its own."""

import json
import signal
import subprocess
import sys

import requests


def test_serve_announces_itself_and_stops_cleanly(folder):
    command = [sys.executable, "-m", "jianheng_simulator", "serve", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = json.loads(process.stdout.readline())["archive_url"]
        assert requests.get(f"{url}/api/volumes", timeout=10).status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0

"""What a hostile adapter tries: each attempt is refused, by the guard in its process or by the kernel beneath it."""

import errno
import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from isolated import AWKWARD, opened
from jianheng.errors import StopError
from jianheng.isolation import kernel
from jianheng.isolation.guard import Hosts
from jianheng.isolation.limits import hosts_for, paths_in

CORE = Path(kernel.__file__).parents[2]
LINUX = sys.platform == "linux" and os.uname().machine in ("x86_64", "aarch64", "loongarch64")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def listening():
    """A server on loopback that says how many came."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        came: list[object] = []

        def accept():
            while server.fileno() >= 0:
                try:
                    connection, who = server.accept()
                    connection.close()
                    came.append(who)
                except TimeoutError:
                    continue
                except OSError:
                    return

        worker = threading.Thread(target=accept, daemon=True)
        worker.start()
        yield server.getsockname()[1], came
        server.close()
        worker.join()


@pytest.fixture(scope="module")
def hostile(place, listening):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_SECRET", "of another adapter")
        (place / "outside.txt").write_text("private", encoding="utf-8")
        (place / "given.txt").write_text("given", encoding="utf-8")
        options = {"outside": str(place / "outside.txt"), "given": place / "given.txt", "port": listening[0]}
        with opened(**options) as found:
            yield found


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        ("connect", "connect 127.0.0.1:"),
        ("fork", "os.fork"),
        ("run", "subprocess.Popen"),
        ("kill_host", "os.kill"),
        ("write_outside", "write "),
        ("write_given", "write "),
        ("read_outside", "read "),
        ("environment", "read /proc/"),
        ("connect_natively", "ctypes.dlsym"),
        ("fork_natively", "ctypes.dlsym"),
    ],
)
def test_it_is_refused_told_and_logged(hostile, listening, place, stream, what):
    with pytest.raises(StopError) as raised:
        hostile.read(stream)
    assert raised.value.code == "isolation-blocked"
    assert raised.value.problem.fields["what"].startswith(what)
    assert any(each.startswith(what) for each in hostile.told("blocked"))
    logged = [fields["what"] for event, fields in hostile.context.log.lines if event == "adapter was refused"]
    assert any(each.startswith(what) for each in logged)
    assert listening[1] == []
    assert (place / "outside.txt").read_text(encoding="utf-8") == "private"


def test_a_library_that_wraps_the_refusal_hides_it_from_nobody(hostile):
    with pytest.raises(StopError) as raised:
        hostile.read("connect_wrapped")
    assert raised.value.code == "zoo-sick"
    assert "resolve evil.example" in hostile.told("blocked")


def test_it_sees_no_environment_but_its_own(hostile):
    (row,) = hostile.read("own_environment")[0].rows
    assert not [name for name in row["names"] if "SECRET" in name]
    assert row["cwd"] != str(Path.cwd())
    assert "geheim" not in str(row)


@pytest.mark.skipif(not LINUX, reason="the kernel's part is Linux's")
def test_native_code_that_passes_by_the_guard_meets_the_kernel(hostile, place):
    if "landlock" not in hostile.adapter.child.guards:
        pytest.skip("this kernel has no Landlock")
    with pytest.raises(StopError) as raised:
        hostile.read("write_outside_natively")
    assert raised.value.problem.fields["exception"] == "PermissionError"
    assert (place / "outside.txt").read_text(encoding="utf-8") == "private"


def test_what_it_is_given_it_may_use(hostile):
    assert hostile.read("read_given")[0].rows == [{"text": "given"}]
    assert hostile.read("write_scratch")[0].rows == [{"text": "mine"}]


def test_its_secret_shows_nowhere(hostile):
    from jianheng.logs import hide

    hide("geheim-42")
    with pytest.raises(StopError) as raised:
        hostile.read("secret")
    assert "geheim" not in str(raised.value)
    assert not [each for each in hostile.told("output") if "geheim" in each]


def test_a_declared_host_and_an_option_to_be_written_are_allowed(listening, place):
    port, came = listening
    hosts = (f"127.0.0.1:{port}",)
    given = place / "writable.txt"
    given.write_text("", encoding="utf-8")
    options = {"port": port, "given": given, "absent": place / "absent.txt"}
    with opened(code=replace(AWKWARD, writes=("given", "absent")), hosts=hosts, **options) as allowed:
        allowed.read("connect")
        allowed.read("write_given")
        with pytest.raises(StopError) as raised:
            allowed.read("write_absent")
    assert raised.value.code == "isolation-blocked"  # its folder is not its own
    assert not (place / "absent.txt").exists()
    assert given.read_text(encoding="utf-8") == "was here"
    assert len(came) == 1
    came.clear()


NATIVE = """
import ctypes, json, os, socket, struct, sys, threading
from jianheng.isolation import kernel
libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
done = kernel.confine([sys.argv[1]], [sys.argv[2]], network=sys.argv[3] == "network")
def ask(name, *args):
    answer = libc[name](*args)
    return [answer >= 0, ctypes.get_errno()]
local = struct.pack("=H2s4s8x", 2, bytes(2), bytes([127, 0, 0, 1]))
tcp, probe, udp, pair = socket.socket(), socket.socket(), socket.socket(type=socket.SOCK_DGRAM), socket.socketpair()
nobody = struct.pack("=H2s4s8x", 2, (9).to_bytes(2, "big"), bytes([127, 0, 0, 1]))
class Limit(ctypes.Structure):
    _fields_ = [("soft", ctypes.c_ulong), ("hard", ctypes.c_ulong)]
told = {
    "fork": ask("fork"), "exec": ask("execv", b"/bin/true", (ctypes.c_char_p * 2)(b"true", None)),
    "socket": ask("socket", 2, 1, 0), "connect": ask("connect", tcp.fileno(), nobody, len(nobody)),
    "send": ask("sendto", udp.fileno(), b"x", 1, 0, nobody, len(nobody)),
    "bind": ask("bind", probe.fileno(), local, len(local)), "listen": ask("listen", probe.fileno(), 1),
    "pair": ask("send", pair[0].fileno(), b"x", 1, 0), "raw": ask("socket", 17, 3, 0), "raw IP": ask("socket", 2, 3 | 0o2000000, 1), "raw IPv6": ask("socket", 10, 3, 58), "kill": ask("kill", parent, 0),
    "limit": ask("setrlimit", 7, ctypes.byref(Limit(10, 10))), "own": ask("kill", os.getpid(), 0),
    "read": ask("open", sys.argv[1].encode(), 0), "read other": ask("open", sys.argv[4].encode(), 0),
    "write": ask("open", (sys.argv[2] + "/new").encode(), 0o101, 0o600),
    "write other": ask("open", (sys.argv[4] + "x").encode(), 0o101, 0o600),
    "unlink": ask("unlink", sys.argv[4].encode()), "environ": ask("open", b"/proc/%d/environ" % parent, 0),
}
worker = threading.Thread(target=print); worker.start(); worker.join()
print(json.dumps([done, told]))
"""


@pytest.mark.skipif(not LINUX, reason="the kernel's part is Linux's")
@pytest.mark.parametrize("network", ["network", "alone"])
def test_the_kernel_refuses_what_a_native_extension_would_do(tmp_path, network):
    mine, scratch, other = tmp_path / "mine", tmp_path / "scratch", tmp_path / "other"
    scratch.mkdir()
    for each in (mine, other):
        each.write_text("x", encoding="utf-8")
    arguments = [sys.executable, "-c", NATIVE, str(mine), str(scratch), network, str(other)]
    ran = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(CORE)}, timeout=60
    )
    guards, told = json.loads(ran.stdout.strip().splitlines()[-1])
    if "seccomp" in guards:
        never = ("fork", "exec", "raw", "raw IP", "raw IPv6", "kill", "limit", "listen")
        assert [name for name in never if told[name][0]] == []
        assert (
            told["raw IP"][1] == told["raw IPv6"][1] == errno.EACCES
        )  # also where the account would have the right
        assert all(told[name][0] for name in ("socket", "pair", "bind", "own"))
        refused = (told["connect"][1] == errno.EACCES, told["send"] == [False, errno.EACCES])
        assert refused == ((False, False) if network == "network" else (True, True))
    if "landlock" in guards:
        assert told["read"][0]
        assert told["write"][0]
        assert [name for name in ("read other", "write other", "unlink", "environ") if told[name][0]] == []
    assert "seccomp" in guards


@pytest.mark.parametrize(
    ("allowed", "host", "port", "answer"),
    [
        (["db.example"], "DB.example.", 5432, True),
        (["db.example:5432"], "db.example", 5433, False),
        (["*.example"], "a.b.example", 80, True),
        (["*.example"], "example", 80, False),
        (["10.0.0.9"], "10.0.0.90", None, False),
        (["[::1]:80"], "::1", 80, True),
        (["::1"], "::1", 80, True),
        ([], "localhost", None, False),
    ],
)
def test_a_host_is_allowed_by_name_suffix_address_and_port(allowed, host, port, answer):
    assert Hosts(allowed).allows(host, port) is answer


def test_an_address_is_allowed_once_an_allowed_name_was_found_to_have_it():
    hosts = Hosts(["db.example:5432"])
    assert not hosts.allows("10.0.0.9", 5432)
    hosts.note("db.example", ["10.0.0.9"])
    assert hosts.allows("10.0.0.9", 5432)
    assert not hosts.allows("10.0.0.9", 22)
    hosts.note("evil.example", ["10.0.0.66"])
    assert not hosts.allows("10.0.0.66", 5432)


def test_a_star_stands_for_the_hosts_that_the_options_name():
    options = {
        "url": "https://hr.example:8443/api",
        "database": "postgresql+psycopg://reader@10.0.0.9/ucs",
        "more": ["ftp.example", {"server": "other:21"}],
        "dsn": "server=db1;database=x",
        "name": "甲 乙",
    }
    wanted = ("10.0.0.9", "db1", "ftp.example", "hr.example:8443", "other:21")
    assert hosts_for(("*",), options) == wanted
    assert hosts_for(("hr.example",), options) == ("hr.example",)
    assert hosts_for(("*", "login.example"), {}) == ("login.example",)


def test_the_paths_of_options_are_found_wherever_they_stand():
    options = {
        "file": Path("/a/b"),
        "more": [{"folder": Path("/c")}],
        "url": "sqlite:////d/e.db?mode=ro",
        "x": 1,
    }
    found = [path for _, path in paths_in(options)]
    assert found == ["/a/b", "/c", "/d/e.db", "/d/e.db-wal", "/d/e.db-shm", "/d/e.db-journal"]

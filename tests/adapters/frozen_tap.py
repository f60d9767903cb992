# ruff: noqa: T201, PTH109, PTH123
"""A Singer tap as small as one can be, for tests: what it emits stands in its configuration. Never change it.

``{"streams": {NAME: {"fields": {FIELD: TYPE}, "messages": [MESSAGE, …]}}}``; a message may also be
``{"do": "sleep" | "exit" | "print" | "error" | "environment" | "child" | "big", …}``.
"""

import json
import os
import subprocess
import sys
import time


def main():
    given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    with open(given["--config"], encoding="utf-8") as file:
        config = json.load(file)
    if "--discover" in sys.argv:
        if config.get("no_discover"):
            sys.exit(2)
        print(json.dumps({"streams": [entry(*each) for each in config["streams"].items()]}))
        return
    with open(given["--catalog"], encoding="utf-8") as file:
        catalog = json.load(file)
    state = {}
    if "--state" in given:
        with open(given["--state"], encoding="utf-8") as file:
            state = json.load(file)
    for stream in catalog["streams"]:
        if stream["selected"]:
            run(stream, config, state)


def entry(name, told):
    fields = told["fields"]
    metadata = [{"breadcrumb": [], "metadata": {"inclusion": "available"}}]
    metadata += [
        {"breadcrumb": ["properties", field], "metadata": {"inclusion": "available"}} for field in fields
    ]
    properties = {field: {"type": ["null", kind]} for field, kind in fields.items()}
    return {
        "stream": name,
        "tap_stream_id": f"main-{name}",
        "schema": {"properties": properties},
        "metadata": metadata,
    }


def run(stream, config, state):
    chosen = {
        each["breadcrumb"][1]
        for each in stream["metadata"]
        if each["breadcrumb"] and each["metadata"]["selected"]
    }
    print(
        json.dumps(
            {"type": "SCHEMA", "stream": stream["stream"], "schema": stream["schema"], "key_properties": []}
        )
    )
    sys.stdout.flush()
    for message in config["streams"][stream["stream"]]["messages"]:
        if message.get("do"):
            act(message, config, state)
        elif message["type"] == "RECORD":
            record = {
                name: value for name, value in message["record"].items() if name in chosen or name[0] == "_"
            }
            if message["record"].get("at", "9") >= state.get("at", ""):
                print(json.dumps({**message, "stream": stream["stream"], "record": record}))
        else:
            print(
                json.dumps({**message, "stream": stream["stream"]} if message["type"] != "STATE" else message)
            )
        sys.stdout.flush()


def act(message, config, state):
    do = message["do"]
    if do == "sleep":
        time.sleep(message["s"])
    elif do == "exit":
        sys.exit(message["code"])
    elif do == "print":
        print(message["text"])
    elif do == "error":
        print(message["text"].replace("SECRET", str(config.get("password"))), file=sys.stderr)
    elif do == "environment":
        seen = {
            "env": sorted(os.environ),
            "args": sys.argv,
            "config": config,
            "state": state,
            "cwd": os.getcwd(),
        }
        with open(message["file"], "w", encoding="utf-8") as file:
            json.dump(seen, file)
    elif do == "child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        with open(message["file"], "w", encoding="utf-8") as file:
            file.write(str(child.pid))
    elif do == "big":
        print(json.dumps({"type": "RECORD", "stream": "x", "record": {"a": "x" * message["bytes"]}}))


main()

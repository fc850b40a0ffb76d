#!/usr/bin/env python3
"""bench/kill.py - SIGKILL of a worker at work, and when the next one commits. For recovery.sh.

    kill.py FILE PORT NEXT_PORT

FILE will hold "pid start" of the worker to be killed, which tells its metrics on PORT; whoever comes after
it tells them on NEXT_PORT. It is killed as soon as it has committed an order's command. A commit is seen in
orderlog_inputs_total, which counts what is in committed transactions; both are asked every 2 ms. Printed,
in microseconds of CLOCK_MONOTONIC:

    {"killed": 1, "first": 2, "all": 3, "context": "payments"}

first: the first transaction with an input, in whichever context; all: each of the three has had one.
"ready" on standard error: from here on it looks.
"""

import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

CONTEXTS = ("orders", "inventory", "payments")
EVERY_S = 0.002
PATIENCE_S = 120
INPUTS = re.compile(r'^orderlog_inputs_total\{context="(\w+)",kind="(\w+)"\} (\S+)$', re.MULTILINE)


def inputs(port):
    """(context, kind) -> inputs in committed transactions; nothing where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return {}
    return {(context, kind): float(value) for context, kind, value in INPUTS.findall(text)}


def until(said, what):
    """What `said` tells, once it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (told := said()):
        if time.monotonic() > deadline:
            sys.exit(f"kill.py: not within {PATIENCE_S} s: {what}")
        time.sleep(EVERY_S)
    return told


def process(path):
    """The pid in the file, if it is that very process."""
    pid, start = path.read_text(encoding="ascii").split()
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    if fields[19] != start:
        sys.exit("kill.py: the worker has ended by itself")
    return int(pid)


def main():
    path, port, next_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print("ready", file=sys.stderr, flush=True)
    until(lambda: inputs(port).get(("orders", "command")), "the worker's commit of an order")
    pid = process(path)
    moments = {"killed": time.monotonic_ns() // 1000}
    os.kill(pid, signal.SIGKILL)

    def committed():
        counted = inputs(next_port)
        return {context for (context, _), value in counted.items() if value}

    first = until(committed, "the next commit")
    moments["first"] = time.monotonic_ns() // 1000
    until(lambda: len(committed()) == len(CONTEXTS), "a commit of each context")
    moments["all"] = time.monotonic_ns() // 1000
    print(json.dumps(moments | {"context": min(first)}))


main()

#!/usr/bin/env python3
"""Prints which branches of a gcov build the tests took, per file and in total.

usage: branch_coverage.py BUILD SOURCE_ROOT [--missed] FILE...

Left out are branches of assertions: a statement that begins with domain_assert( or assert( says what
can't be, so its other way out can't be taken, nor can what stands in one line with it ("case X_COUNT:
domain_assert(...)"). Ends with 1 if a FILE was never run.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ASSERTS = re.compile(r"\b(domain_assert|assert)\(")


def assert_lines(source):
    """The numbers of lines that belong to assertions, which may span some."""
    lines, inside = set(), False
    for number, line in enumerate(source.read_text().splitlines(), 1):
        inside = inside or ASSERTS.search(line) is not None
        if inside:
            lines.add(number)
            inside = not line.rstrip().endswith(";")
    return lines


def gcov_of(build, name):
    """gcov's lines of a source file, over all objects that were made of it."""
    found = []
    for data in build.rglob(f"{Path(name).name}.gcda"):
        out = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities", str(data)],
            cwd=build, check=True, capture_output=True, text=True).stdout
        for document in out.splitlines():
            for entry in json.loads(document)["files"]:
                if str((build / entry["file"]).resolve()).endswith("/" + name):
                    found.append(entry["lines"])
    return found


def branches_of(build, root, name):
    """(line, index) -> times taken, without assertions."""
    skipped = assert_lines(root / name)
    taken = {}
    for lines in gcov_of(build, name):
        for line in lines:
            if line["line_number"] in skipped:
                continue
            for index, branch in enumerate(line["branches"]):
                place = (line["line_number"], index)
                taken[place] = taken.get(place, 0) + branch["count"]
    return taken


def row(name, taken):
    count, hit = len(taken), sum(times > 0 for times in taken.values())
    percent = 100.0 * hit / count if count else 100.0
    print(f"{name:<34} {hit:>6} of {count:>6} branches {percent:>7.2f} %")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--missed"]
    if len(arguments) < 3:
        sys.exit(__doc__)
    build, root = Path(arguments[0]).resolve(), Path(arguments[1]).resolve()
    total, never_run = {}, []
    for name in arguments[2:]:
        taken = branches_of(build, root, name)
        if not list(build.rglob(f"{Path(name).name}.gcda")):
            never_run.append(name)
        if not taken:
            continue  # tables, or nothing that branches
        row(name, taken)
        total.update({(name, *place): times for place, times in taken.items()})
        if "--missed" in sys.argv:
            missed = sorted({line for (line, _), times in taken.items() if times == 0})
            print("    missed in lines " + ", ".join(map(str, missed)) if missed else "    none missed")
    row("total", total)
    if never_run:
        sys.exit("never run: " + " ".join(never_run))


main()

#!/usr/bin/env python3
"""Prints which branches of a gcov build the tests took, per file and in total.

usage: branch_coverage.py BUILD SOURCE_ROOT [--missed] FILE...

Left out are, and nothing else:

  - branches of assertions: a statement that begins with domain_assert( or assert( says what can't be;
  - of a switch, the case that leads to an assertion of !"..." and to nothing else ("case X_COUNT:
    assert(!"an x has a kind")", or "case X_COUNT: break;" with that assertion behind the switch);
  - of a switch over an enum without default, the way that a value takes which the enum has not: that
    each value it has is named is the compiler's to see (-Wswitch);
  - what uthash's macros (HASH_...) branch to within themselves.

Ends with 1 if a FILE was never run, or gcov sees other ways out of a switch than the source shows.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ASSERTS = re.compile(r"\b(domain_assert|assert)\(")
NEVER = re.compile(r'\s*(domain_assert|assert)\(!"')
FOREIGN = re.compile(r"^\s*HASH_[A-Z_]+\(")
SWITCH = re.compile(r"^(\s*)switch \(")
ENUM_LABEL = re.compile(r"\s*case [A-Z][A-Z0-9_]*:")


def skipped_lines(source):
    """The numbers of lines that belong to assertions, which may span some, or to others' macros."""
    lines, inside = set(), False
    for number, line in enumerate(source, 1):
        inside = inside or ASSERTS.search(line) is not None
        if inside:
            lines.add(number)
            inside = not line.rstrip().endswith(";")
        if FOREIGN.match(line):
            lines.add(number)
    return lines


def arms_of(body, indent):
    """What each arm of a switch begins with; labels one below the other are one arm."""
    label = re.compile(rf"^{indent}(case [^:]+|default):(.*)$")
    arms, open_label = [], False
    for line in body:
        found = label.match(line)
        if found:
            if not open_label:
                arms.append("")
            open_label = found[2].strip() == ""
            arms[-1] = found[2]
        elif open_label:
            arms[-1], open_label = line, False
    return arms


def switches_of(source):
    """Line number of each switch -> how many ways lead out, and which of them nothing takes.

    gcov names them in the order of the source, the one for values without a case last."""
    switches = {}
    for number, line in enumerate(source, 1):
        opening = SWITCH.match(line)
        if not opening:
            continue
        indent, end, depth = opening[1], number, 1
        while depth > 0:
            depth += source[end].count("{") - source[end].count("}")
            end += 1
        body = source[number:end - 1]
        arms = arms_of(body, indent)
        asserted = NEVER.match(source[end]) is not None
        never = {index for index, arm in enumerate(arms)
                 if NEVER.match(arm) or (asserted and arm.strip() == "break;")}
        count = len(arms)
        if not any(line.startswith(indent + "default:") for line in body):
            labels = [line for line in body if line.startswith(indent + "case ")]
            if all(ENUM_LABEL.match(line) for line in labels):
                never.add(count)
            count += 1
        switches[number] = count, never
    return switches


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
    """(line, index) -> times taken, without what nothing takes."""
    source = (root / name).read_text().splitlines()
    skipped, switches = skipped_lines(source), switches_of(source)
    taken = {}
    for lines in gcov_of(build, name):
        for line in lines:
            number, branches = line["line_number"], line["branches"]
            if number in skipped:
                continue
            count, never = switches.get(number, (len(branches), set()))
            if len(branches) != count:
                sys.exit(f"{name}:{number}: {len(branches)} ways out of this switch, not {count}")
            for index, branch in enumerate(branches):
                if index in never:
                    continue
                place = (number, index)
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

#!/usr/bin/env python3
"""bench/delays.py - the table of bench/run --latency, from what it has recorded.

    delays.py FOLDER

FOLDER holds facts.json and delays.jsonl: a line of bench_latency for each arm, with run and share.
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from figures import found_of, median_of  # noqa: E402

SERIES = (
    ("accepted_event_us", "command to its outcome's event"),
    ("accepted_row_us", "command to its outcome's row"),
    ("ended_event_us", "command to the event that ends the order"),
    ("ended_row_us", "command to the row that ends the order"),
)
POINTS = ("p50", "p99", "p999")
AIMS = {("p50", 30): 1.5, ("p99", 30): 2.0}  # of ended_row_us


def of(rows, what, share):
    return [row for row in rows if row["what"] == what and row["share"] == share]


def at(series, point):
    return lambda row: row[series][point] / 1000


def ratios(rows, share, key):
    """orderlog by chain, run by run."""
    return [key(ours) / key(theirs) for ours in of(rows, "orderlog", share)
            for theirs in of(rows, "chain", share) if ours["run"] == theirs["run"]]


def print_series(rows, share, series, title):
    print(f"  {title}")
    for what in ("orderlog", "chain"):
        cells = "".join(f"{median_of(of(rows, what, share), at(series, point)):11.1f}"
                        for point in POINTS)
        print(f"    {what:10}{cells}")
    found = [found_of(ratios(rows, share, at(series, point))) for point in POINTS]
    cells = "".join(f"{one['median']:11.2f}" for one in found)
    print(f"    {'ratio':10}{cells}", end="")
    for point, one in zip(POINTS, found):
        if one["interval"]:
            print("  {} {:.2f} to {:.2f}".format(point, *one["interval"]), end="")
        aim = AIMS.get((point, share)) if series == "ended_row_us" else None
        if aim:
            print(f"  ({point}: aim {aim:g} or less: {'met' if one['median'] <= aim else 'MISSED'})",
                  end="")
    print()


def main():
    folder = Path(sys.argv[1])
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    with open(folder / "delays.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    print(f"orderlog {facts['commit']}, {facts['machine']['cores']} cores, "
          f"synchronous_commit {facts['settings']['commit_sync']}; ms from when a command was due, "
          f"medians of {max(row['run'] for row in rows)} runs")
    for share in sorted({row["share"] for row in rows}):
        ours = of(rows, "orderlog", share)
        rate = median_of(ours, lambda row: row["rate"])
        late = max(row["late_us"]["p99"] for row in rows if row["share"] == share) / 1000
        print(f"\nat {share} % of the maximum: {rate:,.0f} orders/s, "
              f"{median_of(ours, lambda row: row['orders']):,.0f} orders; sent late: p99 {late:.1f} ms")
        print(f"    {'':10}" + "".join(f"{point:>11}" for point in POINTS))
        for series, title in SERIES:
            print_series(rows, share, series, title)


main()

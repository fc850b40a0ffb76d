"""bench/statements.py - what each statement took in PostgreSQL, arm by arm. For report.py."""

from figures import median_of, of_arm

ARMS = ("end_to_end", "plain-projector", "streams-projector", "streams-debezium")
SHOWN_MS = 50  # of a statement in all its calls; below that it is not worth a line


def of_statement(result, name, what):
    return sum(row[what] for row in result["statements"] if row["statement"] == name)


def print_statements(results):
    """Wall time within the server, planning included: where statements wait, more than CPU time."""
    for arm in ARMS:
        rows = [r for r in of_arm(results, arm) if "statements" in r]
        if not rows:
            continue
        names = {row["statement"] for r in rows for row in r["statements"]}
        figures = {
            name: {
                what: median_of(rows, lambda r, n=name, w=what: of_statement(r, n, w))
                for what in ("ms", "calls", "rows", "wal", "blocks")
            }
            for name in names
        }
        title = "orderlog" if arm == "end_to_end" else arm
        print(f"\nstatements of {title}: ms in all calls, calls, rows, MiB of WAL, blocks")
        shown = sorted(names, key=lambda name: -figures[name]["ms"])
        for name in shown:
            f = figures[name]
            if f["ms"] < SHOWN_MS:
                continue
            print(
                f"  {name:38}{f['ms']:>10,.0f}{f['calls']:>9,.0f}{f['rows']:>12,.0f}"
                f"{f['wal'] / 1048576:>9,.1f}{f['blocks']:>14,.0f}"
            )
        print(f"  {'all':38}{sum(f['ms'] for f in figures.values()):>10,.0f}")

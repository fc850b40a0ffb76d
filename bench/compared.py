"""bench/compared.py - two arms of orderlog itself: --skew, --scale, --recovery. For report.py."""

import statistics

from beside import cpu_of, orders_per_s, seconds
from figures import found_of, median_of, number, of_arm, pairs, ratio_of_medians, spread, verdict

ROLES = ("worker", "projector")
PROCESSES = (*ROLES, "broker", "postgres")


def cpu(*processes):
    """Microseconds an order."""
    return lambda arm: cpu_of(arm, processes)


def peak(*processes):
    """MiB."""
    return lambda arm: sum(arm["memory_mib"][p]["peak"] for p in processes)


def disk(arm):
    """KiB an order."""
    return arm["disk"] / arm["counts"]["orders"] / 1024


def orders(arm):
    return arm["counts"]["orders"]


COLUMNS = (
    ("orders", orders),
    ("seconds", seconds),
    ("orders/s", orders_per_s),
    *((f"{name} us", cpu(process)) for name, process in zip(
        ("worker", "proj.", "broker", "PG"), PROCESSES, strict=True)),
    ("all us", cpu(*PROCESSES)),
    ("worker MiB", peak("worker")),
    ("proj. MiB", peak("projector")),
)

# The arm that is judged, the one it is judged by; figures: title, key, is less better, aim, beyond.
SKEW = ("skewed", "uniform", (
    ("orders/s", orders_per_s, False, 0.75, 0.95),
    ("CPU of everything an order", cpu(*PROCESSES), True, None, None),
))
SCALE = ("large", "small", (
    ("CPU of everything an order", cpu(*PROCESSES), True, 1.2, 1.08),
    ("peak memory of worker and projector", peak(*ROLES), True, 1.1, 1.03),
    ("  of the worker", peak("worker"), True, None, None),
    ("  of the projector", peak("projector"), True, None, None),
    ("orders/s", orders_per_s, False, None, None),
))
RECOVERY = {"first": ("to the next commit", 1.3, 1.1), "all": ("until all contexts have committed", None, None)}


def recovered(moment):
    """Milliseconds since the kill."""
    return lambda arm: (arm["kill"][moment] - arm["kill"]["killed"]) / 1000


def judged(value, aim, beyond, less):
    if aim is None:
        return ""
    return f"{verdict(value, aim, less)}; beyond {beyond:g}"


def print_ratio(title, figure, aim, beyond, less):
    span = "{:.2f} to {:.2f}".format(*figure["interval"]) if figure["interval"] else ""
    print(f"  {title:38}{figure['median']:7.2f}  {span:16}{judged(figure['median'], aim, beyond, less)}"
          .rstrip())


# ---- end to end ---------------------------------------------------------------------------------


def ratios(results, kind):
    """title -> one arm by the other, run by run."""
    ours, theirs, figures = kind
    return {title: found_of(pairs(results, theirs, ours, key)) for title, key, *_ in figures}


def print_arms(results, arms, columns):
    print(f"  {'':10}" + "".join(f"{head:>11}" for head, _ in columns))
    for arm in arms:
        rows = of_arm(results, arm)
        print(f"  {arm:10}" + "".join(f"{number(median_of(rows, key)):>11}" for _, key in columns))


def print_end_to_end(results, found, kind, title, columns=COLUMNS):
    ours, theirs, figures = kind
    print(f"\n{title}\nfrom the first command read to the last row committed; CPU for each order")
    print_arms(results, (theirs, ours), columns)
    print(f"\n  {ours} by {theirs}, {spread(next(iter(found.values()))).split(',')[0]}")
    for name, _, less, aim, beyond in figures:
        print_ratio(name, found[name], aim, beyond, less)


# ---- recovery -----------------------------------------------------------------------------------


def recoveries(results):
    return {
        moment: ratio_of_medians([recovered(moment)(arm) for arm in of_arm(results, "large")],
                                 [recovered(moment)(arm) for arm in of_arm(results, "small")])
        for moment in RECOVERY
    }


def print_recovery(results, found):
    kills = len(of_arm(results, "small"))
    print(f"\nSIGKILL of the worker to its next commit, {kills} kill(s) with each log, in turns; ms")
    print(f"  {'':10}{'events in the log':>26}{'next commit':>14}{'least':>8}{'most':>8}"
          f"{'all contexts':>15}{'CPU ms':>9}")
    for arm in ("small", "large"):
        rows = of_arm(results, arm)
        events = [row["events"] for row in rows]
        times = [recovered("first")(row) for row in rows]
        log = f"{number(min(events))} to {number(max(events))}"
        own = median_of(rows, lambda row: row["cpu_s"]["worker"] * 1000)
        print(f"  {arm:10}{log:>26}{statistics.median(times):14.0f}{min(times):8.0f}{max(times):8.0f}"
              f"{median_of(rows, recovered('all')):15.0f}{own:9.0f}")
    print("\n  large by small, of the medians")
    for moment, (title, aim, beyond) in RECOVERY.items():
        print_ratio(title, found[moment], aim, beyond, True)


# ---- what there is ------------------------------------------------------------------------------


def is_recovery(results):
    return any("kill" in result for result in results)


def summary(results):
    """Name of the comparison -> its ratios."""
    found = {}
    if is_recovery(results):
        found["recovery"] = recoveries(results)
    elif of_arm(results, "large"):
        found["scale"] = ratios(results, SCALE)
    if of_arm(results, "skewed"):
        found["skew"] = ratios(results, SKEW)
    return found


def print_compared(results, found):
    if "skew" in found:
        print_end_to_end(results, found["skew"], SKEW,
                         "80 % of the orders on one product, in turns with the same on all products;")
    if "scale" in found:
        print_end_to_end(results, found["scale"], SCALE,
                         "many orders in turns with few, the same again under new ids;",
                         (*COLUMNS, ("disk KiB", disk)))
    if "recovery" in found:
        print_recovery(results, found["recovery"])

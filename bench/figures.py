"""bench/figures.py - over the runs: medians, intervals, and how they are written. For report.py."""

import random
import statistics


def of_arm(results, name):
    return [r for r in results if r["arm"] == name]


def median_of(results, key):
    return statistics.median(key(r) for r in results)


def interval(values):
    """Bootstrap, 95 %, of the median; nothing below three values."""
    if len(values) < 3:
        return None
    dice = random.Random(1)
    medians = sorted(
        statistics.median(dice.choices(values, k=len(values))) for _ in range(2000)
    )
    return [medians[49], medians[1949]]


def found_of(values):
    return {"median": statistics.median(values), "all": values, "interval": interval(values)}


def ratio_of_medians(ours, theirs):
    """Of values that are no pairs; each side is drawn again for the interval."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    dice = random.Random(1)
    drawn = sorted(
        statistics.median(dice.choices(ours, k=len(ours)))
        / statistics.median(dice.choices(theirs, k=len(theirs)))
        for _ in range(2000)
    )
    enough = min(len(ours), len(theirs)) >= 3
    return {"median": ratio, "interval": [drawn[49], drawn[1949]] if enough else None}


def pairs(results, ours, theirs, key):
    """Theirs by ours, run by run."""
    return [
        key(b) / key(a)
        for a in of_arm(results, ours)
        for b in of_arm(results, theirs)
        if a["run"] == b["run"]
    ]


def number(value):
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.1f}"


def spread(found):
    text = f"median of {len(found['all'])}" if "all" in found else ""
    if found.get("interval"):
        text += ", 95 %: {:.2f} to {:.2f}".format(*found["interval"])
    return text


def verdict(value, aim, better_below):
    met = value <= aim if better_below else value >= aim
    word = "or less" if better_below else "or more"
    return f"aim {aim:g} {word}: {'met' if met else 'MISSED'}"

#!/usr/bin/env python3
"""bench/report.py - the table of bench/run, from what it has recorded.

    report.py FOLDER [--json FILE] [--svg FILE]

FOLDER holds facts.json (machine, settings) and arms.jsonl: a line for each arm with its run, its
counts and the file of its samples (bench/watch.c). Nothing is measured here, so an old folder can be
read again. What the figures mean and where they begin and end: bench/README.md.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import asked  # noqa: E402
import beside  # noqa: E402
import compared  # noqa: E402
import picture  # noqa: E402
import statements  # noqa: E402
from figures import found_of, median_of, number, of_arm, pairs, spread, verdict  # noqa: E402

AIMS = {
    "end_to_end_s": 10.0,
    "worker_of_relay": 0.8,
    "projector_of_copy": 0.5,
    "worker_peak_mib": 200.0,
    "worker_growth": 1.1,
}
CONTEXTS = ("orders", "inventory", "payments")
PROCESSES = ("worker", "projector", "broker", "postgres")
PROCESSES_OF_PEERS = ("app", "sink")


# ---- samples ------------------------------------------------------------------------------------


def read_samples(path):
    """The samples of one arm, and the line about its command, if it had one."""
    samples, command = [], None
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if "command" in row:
                command = row["command"]
            else:
                samples.append(row)
    return samples, command


def counter(sample, role, series):
    """The sum of all series of a role that begin so."""
    counters = sample["counters"].get(role, {})
    return sum(value for name, value in counters.items() if name.startswith(series))


def last_move(samples, role, series):
    """When the sum last changed: the first sample that shows its last value."""
    last, at = counter(samples[-1], role, series), samples[-1]["t"]
    for sample in reversed(samples):
        if counter(sample, role, series) != last:
            break
        at = sample["t"]
    return at


def begin_of(samples, role, contexts):
    """The last sample in which none of these loops of a role had begun to read."""
    before = samples[0]["t"]
    for sample in samples:
        waits = sample["waits"].get(role)
        if sample["ready"].get(role) or (
            waits is not None and any(f"{context} is " not in waits for context in contexts)
        ):
            return before
        before = sample["t"]
    sys.exit(f"report.py: no sample shows the {role} ready")


def within(samples, start, end):
    """The samples of a span, and the one before and after it."""
    first = max((i for i, s in enumerate(samples) if s["t"] <= start), default=0)
    last = min((i for i, s in enumerate(samples) if s["t"] >= end), default=len(samples) - 1)
    return samples[first : last + 1]


def cpu_seconds(span, process):
    """User and system time over a span; a role that began within it counts whole."""
    last = span[-1]["processes"].get(process)
    first = span[0]["processes"].get(process, {"ticks": 0})
    if last is None:
        return None
    return (last["ticks"] - first["ticks"]) / span[-1]["ticks_per_s"]


def memory_mib(span, process):
    """Peak, and what was there a quarter, half and three quarters through and at the end."""
    sizes = [s["processes"][process] for s in span if process in s["processes"]]
    if not sizes:
        return None
    at = [sizes[max(0, len(sizes) * part // 4 - 1)]["rss_kb"] / 1024 for part in (1, 2, 3, 4)]
    first, second = sizes[: max(1, len(sizes) // 2)], sizes[len(sizes) // 2 :]
    return {
        "peak": sizes[-1]["peak_kb"] / 1024,
        "at_quarters": at,
        # The second half's largest to the first half's: 1 is flat.
        "growth": max(s["rss_kb"] for s in second) / max(1, max(s["rss_kb"] for s in first)),
    }


def usage(samples, start, end):
    """What processes and the machine used between two moments."""
    span = within(samples, start, end)
    seconds = (span[-1]["t"] - span[0]["t"]) / 1e6
    cores = seconds * span[-1]["ticks_per_s"]
    processes = (*PROCESSES, *PROCESSES_OF_PEERS)
    used = {p: cpu_seconds(span, p) for p in (*processes, "watcher")}
    machine = (span[-1]["machine"]["busy"] - span[0]["machine"]["busy"]) / span[-1]["ticks_per_s"]
    return {
        "cpu_s": {p: s for p, s in used.items() if s is not None},
        "machine_cpu_s": machine,
        "steal": (span[-1]["machine"]["steal"] - span[0]["machine"]["steal"]) / max(1.0, cores),
        "memory_mib": {p: m for p in processes if (m := memory_mib(span, p)) is not None},
    }


# ---- arms ---------------------------------------------------------------------------------------


def worker_counts(samples):
    last = samples[-1]
    inputs = counter(last, "worker", "orderlog_inputs_total")
    return {
        "inputs": inputs,
        "commands": sum(
            counter(last, "worker", f'orderlog_inputs_total{{context="{c}",kind="command"}}')
            for c in CONTEXTS
        ),
        "events": counter(last, "worker", "orderlog_events_total"),
        "messages": counter(last, "worker", "orderlog_events_total")
        + counter(last, "worker", "orderlog_steps_total"),
        "transactions": sum(
            counter(last, "worker", f'orderlog_kafka_transactions_total{{context="{c}",result="committed"')
            for c in CONTEXTS
        ),
        "aborted": sum(
            counter(last, "worker", f'orderlog_kafka_transactions_total{{context="{c}",result="aborted"')
            for c in CONTEXTS
        ),
        "waited_s": counter(last, "worker", "orderlog_overlay_wait_seconds_total"),
    }


def measure_end_to_end(arm, samples, _):
    start = begin_of(samples, "worker", ("orders",))
    worker_end = last_move(samples, "worker", "orderlog_inputs_total")
    end = max(worker_end, last_move(samples, "projector", "orderlog_projected"))
    counts = worker_counts(samples)
    seconds, worker_s = (end - start) / 1e6, (worker_end - start) / 1e6
    return {
        "seconds": seconds,
        "worker_s": worker_s,
        "projector_s": (last_move(samples, "projector", "orderlog_projected") - start) / 1e6,
        "start_up_s": (start - samples[0]["t"]) / 1e6,
        "counts": counts | {k: arm[k] for k in ("orders", "rows") if k in arm},
        "row_changes": counter(samples[-1], "projector", "orderlog_projected_rows_total"),
        "pg_transactions": counter(samples[-1], "projector", "orderlog_pg_transactions_total"),
        "orders_per_s": arm["orders"] / seconds,
        "commands_per_s": counts["commands"] / worker_s,
        "inputs_per_s": counts["inputs"] / worker_s,
        "events_per_s": counts["events"] / worker_s,
        **({"rows_per_s": arm["rows"] / seconds} if "rows" in arm else {}),
        **{k: arm[k] for k in ("written", "disk") if k in arm},
    } | usage(samples, start, end)


def measure_worker(arm, samples, _):
    start = begin_of(samples, "worker", ("orders",))
    end = last_move(samples, "worker", "orderlog_inputs_total")
    counts = worker_counts(samples)
    seconds = (end - start) / 1e6
    return {
        "seconds": seconds,
        "counts": counts | {"orders": arm["orders"]},
        "inputs_per_s": counts["inputs"] / seconds,
        "messages_per_s": counts["messages"] / seconds,
    } | usage(samples, start, end)


def measure_relay(arm, samples, _):
    relay = arm["relay"]
    seconds = (relay["to"] - relay["from"]) / 1e6
    used = usage(samples, relay["from"], relay["to"])
    used["cpu_s"]["relay"] = relay["cpu_s"]
    return {
        "seconds": seconds,
        "counts": {k: relay[k] for k in ("inputs", "messages", "transactions", "markers")},
        "markers_recorded": relay["markers_recorded"],
        "inputs_per_s": relay["inputs"] / seconds,
        "messages_per_s": relay["messages"] / seconds,
        "peak_mib": relay["peak_kb"] / 1024,
        "recording_mib": relay["recording_kb"] / 1024,
    } | used


def measure_rebuild(arm, samples, _):
    start = begin_of(samples, "projector", CONTEXTS)
    end = last_move(samples, "projector", "orderlog_projected")
    seconds = (end - start) / 1e6
    events = counter(samples[-1], "projector", "orderlog_projected_events_total")
    return {
        "seconds": seconds,
        "counts": {"events": events, "rows": arm["rows"], "transactions": arm["transactions"]},
        "rows_per_s": arm["rows"] / seconds,
        "events_per_s": events / seconds,
    } | usage(samples, start, end)


def measure_copy(arm, samples, command):
    seconds = (command["to"] - command["from"]) / 1e6
    used = usage(samples, command["from"], command["to"])
    used["cpu_s"]["client"] = command["cpu_us"] / 1e6
    return {
        "seconds": seconds,
        "counts": {"rows": arm["rows"], "transactions": arm["transactions"]},
        "rows_per_s": arm["rows"] / seconds,
    } | used


def measure_peer(arm, samples, _):
    """From the last sample before the first command to the first with the sink's last rows."""
    samples = [s for s in samples if {"app", "sink"} <= s["counters"].keys()]
    start = next(
        (a["t"] for a, b in zip(samples, samples[1:]) if counter(b, "app", "peer_commands")), None
    )
    if start is None:
        sys.exit("report.py: no sample shows the peer's first command")
    end = last_move(samples, "sink", "peer_taken")
    return {
        "seconds": (end - start) / 1e6,
        "app_s": (last_move(samples, "app", "peer_messages") - start) / 1e6,
        "counts": {
            name: counter(samples[-1], "app", f"peer_{name}_total")
            for name in ("commands", "messages", "events", "given")
        } | {"orders": arm["orders"]},
        "written": arm["written"],
    } | usage(samples, start, end)


def measure_recovery(arm, samples, _):
    moments = arm["kill"]
    return {
        "seconds": (moments["first"] - moments["killed"]) / 1e6,
        "kill": moments,
        "events": arm["events"],
    } | usage(samples, moments["killed"], moments["all"])


def measure_size(arm, samples, command):
    """small and large: of --recovery or of --scale."""
    return (measure_recovery if "kill" in arm else measure_end_to_end)(arm, samples, command)


MEASURES = {
    **{peer: measure_peer for peer in beside.PEERS},
    "end_to_end": measure_end_to_end,
    "worker": measure_worker,
    "relay": measure_relay,
    "rebuild": measure_rebuild,
    "copy": measure_copy,
    "uniform": measure_end_to_end,
    "skewed": measure_end_to_end,
    "small": measure_size,
    "large": measure_size,
}


def measure(folder):
    """Arm by arm, in the order they ran."""
    results = []
    with open(folder / "arms.jsonl", encoding="utf-8") as file:
        for line in file:
            arm = json.loads(line)
            if arm["arm"] in MEASURES:
                samples, command = read_samples(folder / arm["samples"])
                figures = MEASURES[arm["arm"]](arm, samples, command)
            else:
                figures = {"contexts": arm["contexts"]}
            figures |= {what: arm[what] for what in ("requests", "statements") if what in arm}
            results.append({"run": arm["run"], "arm": arm["arm"]} | figures)
    return results


# ---- over the runs ------------------------------------------------------------------------------


def bound(results):
    """CPU s, median over the runs, that the parts of the whole take when each does nothing else: the bare
    transport of the same messages, COPY of the same rows, the core on the same inputs in memory.
    No pipeline of these parts is faster; what it adds (the projection's reading, its rows, states
    loaded back) is not in it."""
    parts = {
        "transport": ("relay", lambda r: r["cpu_s"]["relay"] + r["cpu_s"]["broker"]),
        "COPY": ("copy", lambda r: r["cpu_s"]["client"] + r["cpu_s"]["postgres"]),
        "core": ("core", lambda r: sum(c["inputs"] * c["ns"] for c in r["contexts"]) / 1e9),
    }
    alone = {name: median_of(of_arm(results, arm), key) for name, (arm, key) in parts.items()
             if of_arm(results, arm)}
    return alone if len(alone) == len(parts) else None


def summary(results):
    found = {}
    for name, ours, theirs in (
        ("worker_of_relay", "worker", "relay"),
        ("projector_of_copy", "rebuild", "copy"),
    ):
        values = pairs(results, ours, theirs, lambda r: r["seconds"])
        if values:
            found[name] = found_of(values)
    alone = bound(results)
    if alone:
        found["bound_cpu_s"] = alone
    whole = of_arm(results, "end_to_end")
    if whole:
        memory = [r["memory_mib"]["worker"] for r in whole]
        found["end_to_end_s"] = found_of([r["seconds"] for r in whole])
        found["worker_peak_mib"] = {"median": max(m["peak"] for m in memory)}
        found["worker_growth"] = {"median": max(m["growth"] for m in memory)}
    if beside.peers_in(results):
        found["peers"] = beside.ratios(results)
    found |= compared.summary(results)
    return found


# ---- the table ----------------------------------------------------------------------------------


def judged(name, found, better_below):
    return verdict(found[name]["median"], AIMS[name], better_below)


def print_facts(facts):
    settings, machine = facts["settings"], facts["machine"]
    print(
        f"{settings['orders']:,} orders with {settings['lines']:,} lines, "
        f"{settings['partitions']} partitions, {settings['runs']} run(s), commit {facts['commit']}"
    )
    print(
        "durability: one replica, acks=all, Kafka's own flushing; fsync on, synchronous_commit "
        f"{settings['commit_sync']} for the projector, for COPY and for the peers"
    )
    print(
        f"machine: {machine['cores']} x {machine['cpu']}, {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}"
    )
    print(f"         {machine['versions']}")


def print_end_to_end(results, found):
    whole = of_arm(results, "end_to_end")
    print("\nend to end, commands preloaded: from the first command read to the last row committed")
    print(
        f"  {found['end_to_end_s']['median']:.2f} s  ({judged('end_to_end_s', found, True)}; "
        f"{spread(found['end_to_end_s'])})"
    )
    print(
        f"  worker's last commit after {median_of(whole, lambda r: r['worker_s']):.2f} s, "
        f"projector's after {median_of(whole, lambda r: r['projector_s']):.2f} s; "
        f"waited for the projection {median_of(whole, lambda r: r['counts']['waited_s']):.2f} s"
    )
    rates = ("orders", "commands", "inputs", "events", "rows")
    for name in rates:
        total = median_of(whole, lambda r, n=name: r["counts"][n])
        rate = median_of(whole, lambda r, n=name: r[f"{n}_per_s"])
        over = "whole" if name in ("orders", "rows") else "worker's time"
        print(f"  {name + '/s':12}{number(rate):>12}   {number(total):>12} over the {over}")
    print(f"  {'row writes':12}{'':12}   {number(median_of(whole, lambda r: r['row_changes'])):>12}"
          f" in {number(median_of(whole, lambda r: r['pg_transactions']))} PostgreSQL transactions")
    print(f"\n  {'':12}{'CPU s':>8}{'us/order':>10}{'peak MiB':>10}"
          f"{'at 1/4':>9}{'1/2':>8}{'3/4':>8}{'end':>8}")
    total = 0.0
    for process in PROCESSES:
        cpu = median_of(whole, lambda r, p=process: r["cpu_s"][p])
        memory = whole[-1]["memory_mib"][process]
        quarters = "".join(f"{mib:8.0f}" for mib in memory["at_quarters"])
        total += cpu
        peak = max(r["memory_mib"][process]["peak"] for r in whole)
        orders = whole[0]["counts"]["orders"]
        print(f"  {process:12}{cpu:8.2f}{cpu * 1e6 / orders:10.1f}{peak:10.0f} {quarters}")
    print(f"  {'sum':12}{total:8.2f}{total * 1e6 / whole[0]['counts']['orders']:10.1f}")
    print(
        f"  worker's memory: {judged('worker_peak_mib', found, True)}; second half to first "
        f"{found['worker_growth']['median']:.2f}, {judged('worker_growth', found, True)}"
    )


def print_row(name, rows, columns):
    cells = "".join(
        f"{number(median_of(rows, key)):>13}" if key else f"{'':13}" for key in columns
    )
    print(f"  {name:12}{median_of(rows, lambda r: r['seconds']):9.2f}{cells}")


def cpu(process):
    return lambda r: r["cpu_s"][process]


def print_pair(results, found, name, title, heads, arms):
    if name not in found:
        return
    print(f"\n{title}")
    print(f"  {'':12}{'seconds':>9}" + "".join(f"{head:>13}" for head in heads))
    for arm, columns in arms:
        print_row(arm, of_arm(results, arm), columns)
    print(
        f"  {'ratio':12}{found[name]['median']:9.2f}  ({judged(name, found, False)}; "
        f"{spread(found[name])})"
    )


def print_alone(results, found):
    def count(name):
        return lambda r: r["counts"][name]

    print_pair(
        results,
        found,
        "worker_of_relay",
        "worker alone (no projector) beside the bare transport",
        ("inputs/s", "messages/s", "transactions", "markers", "own CPU s", "broker CPU s",
         "PG CPU s"),
        (
            ("worker", (lambda r: r["inputs_per_s"], lambda r: r["messages_per_s"],
                        count("transactions"), None, cpu("worker"), cpu("broker"),
                        cpu("postgres"))),
            ("relay", (lambda r: r["inputs_per_s"], lambda r: r["messages_per_s"],
                       count("transactions"), count("markers"), cpu("relay"), cpu("broker"),
                       cpu("postgres"))),
        ),
    )
    relays = of_arm(results, "relay")
    if relays:
        print(f"  {'':12}the recorded worker made {number(relays[0]['markers_recorded'])} markers")
    print_pair(
        results,
        found,
        "projector_of_copy",
        "projector alone, all events into empty tables, beside COPY BINARY of the same rows",
        ("rows/s", "rows", "transactions", "own CPU s", "PG CPU s"),
        (
            ("rebuild", (lambda r: r["rows_per_s"], count("rows"), count("transactions"),
                         cpu("projector"), cpu("postgres"))),
            ("copy", (lambda r: r["rows_per_s"], count("rows"), count("transactions"),
                      cpu("client"), cpu("postgres"))),
        ),
    )
    cores = of_arm(results, "core")
    if cores:
        print("\ncore and codec in memory, one thread (decode, missing states, decide, encode)")
        for i, context in enumerate(CONTEXTS):
            rate = median_of(cores, lambda r, n=i: r["contexts"][n]["inputs_per_s"])
            each = median_of(cores, lambda r, n=i: r["contexts"][n]["ns"])
            print(f"  {context:12}{number(rate):>12} inputs/s{each:10.0f} ns each")


def print_bound(results, found, cores):
    """How far the whole is from what its parts alone would leave."""
    alone = found.get("bound_cpu_s")
    if not alone:
        return
    total = sum(alone.values())
    whole = median_of(of_arm(results, "end_to_end"), lambda r: sum(r["cpu_s"][p] for p in PROCESSES))
    print("\nthe bound: what the parts take when each does nothing else")
    print(
        "  " + " + ".join(f"{name} {seconds:.1f}" for name, seconds in alone.items())
        + f" = {total:.1f} CPU s, {total / cores:.1f} s on {cores} cores; "
        f"end to end takes {whole / total:.2f} times that"
    )


def print_quiet(results):
    """Was the machine ours? Of what it did, how much was none of the processes we know. True: yes."""
    loud, steals, others, watching = 0, [], [], []
    for result in results:
        if "steal" not in result:
            continue
        whole = max(0.001, result["machine_cpu_s"])
        steals.append(result["steal"])
        others.append(max(0.0, whole - sum(result["cpu_s"].values())) / whole)
        watching.append(result["cpu_s"].get("watcher", 0) / whole)
        loud += steals[-1] > 0.02 or others[-1] > 0.1
    print(
        f"\nof the machine's CPU time: stolen at most {max(steals):.1%}, others' at most "
        f"{max(others):.0%}, the watching itself at most {max(watching):.1%}"
    )
    if loud:
        print(f"NOT QUIET in {loud} arm(s): above 2 % stolen or above 10 % others'; not to be quoted")
    return not loud


def main():
    parser = argparse.ArgumentParser(description="The table of bench/run, from what it recorded.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the peers' figures there")
    arguments = parser.parse_args()
    with open(arguments.folder / "facts.json", encoding="utf-8") as file:
        facts = json.load(file)
    results = measure(arguments.folder)
    found = summary(results)
    print_facts(facts)
    if "end_to_end_s" in found:
        print_end_to_end(results, found)
    print_alone(results, found)
    beside.print_beside(results, found)
    compared.print_compared(results, found)
    asked.print_asked(results, facts["settings"]["orders"])
    statements.print_statements(results)
    print_bound(results, found, facts["machine"]["cores"])
    quiet = print_quiet(results)
    if arguments.json:
        text = json.dumps(facts | {"aims": AIMS, "summary": found, "arms": results}, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.svg:
        arguments.svg.write_text(picture.draw(facts, results, quiet), encoding="utf-8")


main()

"""bench/beside.py - orderlog beside the Java peers: figures, ratios, their table. For report.py."""

from figures import found_of, median_of, number, of_arm, pairs, spread, verdict

PEERS = ("plain-projector", "streams-projector", "streams-debezium")
OURS = "end_to_end"
SERVERS = ("broker", "postgres")
# Of each arm, what is no server.
OWN = {OURS: ("worker", "projector")} | {peer: ("app", "sink") for peer in PEERS}
NAMES = {OURS: "orderlog"} | {peer: peer for peer in PEERS}


# ---- figures of one arm -------------------------------------------------------------------------


def seconds(arm):
    return arm["seconds"]


def orders_per_s(arm):
    return arm["counts"]["orders"] / arm["seconds"]


def cpu_of(arm, processes):
    """Microseconds an order."""
    return sum(arm["cpu_s"][p] for p in processes) * 1e6 / arm["counts"]["orders"]


def cpu_own(arm):
    return cpu_of(arm, OWN[arm["arm"]])


def cpu_all(arm):
    return cpu_of(arm, OWN[arm["arm"]] + SERVERS)


def cpu_broker(arm):
    return cpu_of(arm, ("broker",))


def cpu_postgres(arm):
    return cpu_of(arm, ("postgres",))


def memory(arm):
    """Both processes' peaks, MiB."""
    return sum(arm["memory_mib"][p]["peak"] for p in OWN[arm["arm"]])


def written(kind):
    return lambda arm: arm["written"][kind] / arm["counts"]["orders"]


# name: (what it says, the figure, is less better, aims by peer)
RATIOS = {
    "orders_per_s": ("orders/s", orders_per_s, False,
                     {"plain-projector": 1.5, "streams-debezium": 3.5}),
    "cpu": ("CPU of everything an order", cpu_all, True, {"plain-projector": 0.65}),
    "cpu_broker": ("broker's CPU an order", cpu_broker, True, {"plain-projector": 1.0}),
    "records": ("records written", written("records"), True, {}),
    "memory": ("peak memory without servers", memory, True, {"plain-projector": 0.17}),
}
RECORDS_AIM = 8.5

COLUMNS = (
    ("seconds", seconds),
    ("orders/s", orders_per_s),
    ("own us", cpu_own),
    ("broker us", cpu_broker),
    ("PG us", cpu_postgres),
    ("all us", cpu_all),
    ("records", written("records")),
    ("markers", written("markers")),
    ("internal", written("internal")),
    ("peak MiB", memory),
)


def peers_in(results):
    return [peer for peer in PEERS if of_arm(results, peer)]


def ratios(results):
    """peer -> figure -> ours by theirs, run by run."""
    return {
        peer: {
            name: found_of(pairs(results, peer, OURS, key))
            for name, (_, key, _, _) in RATIOS.items()
        }
        for peer in peers_in(results)
    }


def print_beside(results, found):
    if not peers_in(results):
        return
    print("\nbeside the peers, in turns: from the first command read to the last row committed;"
          "\nCPU and what is written for each order")
    print(f"  {'':18}" + "".join(f"{head:>10}" for head, _ in COLUMNS))
    for arm in (OURS, *peers_in(results)):
        arms = of_arm(results, arm)
        cells = "".join(f"{number(median_of(arms, key)):>10}" for _, key in COLUMNS)
        print(f"  {NAMES[arm]:18}{cells}")
    records = median_of(of_arm(results, OURS), written("records"))
    print(
        f"  orderlog writes {records:.1f} records an order ({verdict(records, RECORDS_AIM, True)})"
    )
    for peer, figures in found["peers"].items():
        print(f"\n  orderlog by {peer}, {spread(figures['orders_per_s']).split(',')[0]}")
        for name, (title, _, less, aims) in RATIOS.items():
            figure = figures[name]
            span = "{:.2f} to {:.2f}".format(*figure["interval"]) if figure["interval"] else ""
            aim = verdict(figure["median"], aims[peer], less) if peer in aims else ""
            print(f"    {title:30}{figure['median']:7.2f}  {span:16}{aim}".rstrip())

"""bench/asked.py - what the broker was asked by each arm, for a thousand orders. For report.py."""

from figures import median_of, of_arm

ARMS = ("end_to_end", "worker", "relay", "plain-projector", "streams-projector", "streams-debezium")
NAMES = {"end_to_end": "orderlog", "worker": "worker alone"}
# In the order of a transaction; what else was asked is one line.
KINDS = ("Fetch", "Produce", "AddPartitionsToTxn", "AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn",
         "WriteTxnMarkers")
PARTS = ("FetchConsumer", "FetchFollower")  # of what Fetch counts
OTHERS = "all others"


def asked(result, kind, what):
    requests = result["requests"]
    kinds = [kind] if kind != OTHERS else [k for k in requests if k not in KINDS + PARTS]
    return sum(requests[k][what] for k in kinds if k in requests)


def print_asked(results, orders):
    arms = [arm for arm in ARMS if any("requests" in r for r in of_arm(results, arm))]
    if not arms:
        return
    print("\nwhat the broker was asked for a thousand orders: requests, and their KiB")
    print(f"  {'':20}" + "".join(f"{NAMES.get(arm, arm):>20}" for arm in arms))
    for kind in (*KINDS, OTHERS):
        cells = ""
        for arm in arms:
            rows = of_arm(results, arm)
            count = median_of(rows, lambda r, k=kind: asked(r, k, "count")) / orders * 1000
            size = median_of(rows, lambda r, k=kind: asked(r, k, "bytes")) / orders * 1000 / 1024
            cells += f"{count:>10,.1f}{size:>10,.1f}"
        print(f"  {kind:20}{cells}")

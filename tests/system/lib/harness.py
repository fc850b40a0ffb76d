"""tests/system/lib/harness.py - what the tests of processes share: results, processes, waiting.

    import harness, put in front of all else: goes on under an interpreter with Kafka's client
    harness.run(main)      runs it; ends every process it started; exit 1 if anything was not ok
    check(name, fine, why) prints `ok - name` or `not ok - name: why`
    Pipeline(name)         one installation: a database, topics, workers, projectors, commands

Takes the environment that ./test gives to scripts. Waits are for a condition and bounded; how long
something takes is never asserted.
"""

import csv
import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[3]
SAYS = ("ORDERLOG", "ORDERLOG_KAFKA_BROKERS", "ORDERLOG_PG_DSN", "ORDERLOG_TEST_DIR",
        "ORDERLOG_TOPIC_PREFIX")
PATIENCE = int(os.environ.get("ORDERLOG_TEST_PATIENCE", "240"))  # seconds: only what hangs takes so long

if any(name not in os.environ for name in SAYS):
    print(f"skip - {Path(sys.argv[0]).name}: run it through ./test")
    sys.exit(77)
try:
    import confluent_kafka  # noqa: F401
    import google.protobuf  # noqa: F401
except ImportError:
    python = os.environ.get("ORDERLOG_PYTHON")
    if not python or os.environ.get("ORDERLOG_TEST_PYTHON") == python:
        print(f"skip - {Path(sys.argv[0]).name}: no Python with confluent-kafka and protobuf")
        sys.exit(77)
    os.environ["ORDERLOG_TEST_PYTHON"] = python
    os.execv(python, [python, *sys.argv])

BINARY = os.environ["ORDERLOG"]
DIR = Path(os.environ["ORDERLOG_TEST_DIR"])
CONTEXTS = ("orders", "inventory", "payments")

failures = 0
processes = []
own_servers = None
began = time.monotonic()


# ---- results ---------------------------------------------------------------------------------

def note(text):
    """For whoever reads the log."""
    print(f"# {time.monotonic() - began:6.1f} {text}", file=sys.stderr, flush=True)


def check(name, fine, why=""):
    """One test. why: a text, or a list of findings."""
    global failures
    if fine:
        print(f"ok - {name}", flush=True)
        return True
    failures += 1
    if isinstance(why, (list, tuple)):
        shown = "; ".join(str(item) for item in why[:3])
        why = f"{len(why)} findings: {shown}" if len(why) > 3 else shown
    text = " ".join(str(why).split())
    print(f"not ok - {name}{': ' if text else ''}{text[:600]}", flush=True)
    return False


def same(name, got, expected):
    return check(name, got == expected, f"got {got!r}, expected {expected!r}")


class Hopeless(Exception):
    """The test can't go on."""


def run(main):
    """Runs main() and exits."""
    global failures
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    DIR.mkdir(parents=True, exist_ok=True)
    try:
        main()
    except Exception as error:
        failures += 1
        traceback.print_exc()
        text = " ".join(str(error).split())[:600]
        print(f"not ok - {Path(sys.argv[0]).name} goes on to its end: {text}", flush=True)
    finally:
        for process in list(processes):
            process.kill()
        if own_servers:
            own_servers.call("stop")
    sys.exit(1 if failures else 0)


def wait_until(condition, what, seconds=PATIENCE, every=0.2):
    """What the condition returned when it was true. Hopeless after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        for process in processes:
            if process.is_expected and process.poll() is not None:
                raise Hopeless(f"{process.name} ended with {process.poll()}: {process.tail()}")
        if time.monotonic() > until:
            for process in processes:
                if process.poll() is None:
                    print(f"-- {process.name}: {process.tail()}", file=sys.stderr)
            raise Hopeless(f"waited {seconds} s in vain until {what}")
        time.sleep(every)


# ---- processes -------------------------------------------------------------------------------

class Process:
    """A role. is_expected: its end is not what the test waits for."""

    def __init__(self, name, words, env, log):
        self.name, self.log_path, self.is_expected = name, log, True
        self.log_from = log.stat().st_size if log.exists() else 0
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=out, start_new_session=True)
        processes.append(self)

    def poll(self):
        return self.popen.poll()

    def log(self):
        """What this life of it has logged."""
        with open(self.log_path, "rb") as file:
            file.seek(self.log_from)
            return file.read().decode(errors="replace")

    def tail(self):
        return " | ".join(self.log().strip().splitlines()[-4:])

    def kill(self):
        """SIGKILL, if it still runs; reaped."""
        self.is_expected = False
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        if self in processes:
            processes.remove(self)

    def signal(self, number):
        self.is_expected = False
        self.popen.send_signal(number)

    def end(self, seconds=60):
        """SIGTERM; its exit code, or None if it did not end in that time."""
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
        return self.ended(seconds)

    def ended(self, seconds=60):
        self.is_expected = False
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        if self in processes:
            processes.remove(self)
        return code

    def port(self):
        """Of its metrics; waits until it has said so."""
        def said():
            return re.search(r'metrics_port"?[=:]"?(\d+)', self.log())
        return int(wait_until(said, f"{self.name} has started").group(1))

    def get(self, path):
        """Status and body."""
        link = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=10)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def wait_ready(self):
        said = "nothing"

        def is_ready():
            nonlocal said
            try:
                status, said = self.get("/readyz")
                return status == 200
            except OSError as error:
                said = repr(error)
                return False
        try:
            wait_until(is_ready, f"{self.name} is ready")
        except Hopeless as error:
            raise Hopeless(f"{error} (it said {said.strip()})") from None
        return self

    def metric(self, name, **labels):
        """The sum of the series that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)(?: \d+)?", line)
            if found and found.group(1) == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', found.group(2) or ""))
                if all(has.get(key) == value for key, value in labels.items()):
                    total += float(found.group(3))
        return total


class Servers:
    """A broker and a database of our own, to be killed; from here on all else uses these."""

    def __init__(self):
        global own_servers
        self.folder = DIR / "servers"
        own_servers = self
        self.call("start")
        for name, value in re.findall(r"export (\w+)='(.*)'", self.call("env")):
            os.environ[name] = value

    def call(self, verb, *which):
        """deploy/local/servers.sh"""
        done = subprocess.run([str(ROOT / "deploy/local/servers.sh"), verb, str(self.folder), *which],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        if done.returncode != 0:
            for log in sorted(self.folder.glob("*/*.log")):
                print(f"-- {log}:", *log.read_text(errors="replace").splitlines()[-30:], sep="\n", file=sys.stderr)
            raise Hopeless(f"servers.sh {verb} {' '.join(which)}: {done.stderr}")
        return done.stdout


# ---- an installation -------------------------------------------------------------------------

class Pipeline:
    """A database and topics that nobody else uses. Without a name: those ./test made."""

    def __init__(self, name="", partitions=4):
        self.dir = DIR / (name or "main")
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dsn = os.environ["ORDERLOG_PG_DSN"]
        self.prefix = os.environ["ORDERLOG_TOPIC_PREFIX"]
        self.partitions = partitions
        self.commands = 0  # distinct ones that were published
        if name:
            base, database = self.dsn.rsplit("/", 1)
            database = f"{database}_{name}"
            self.sql(f"DROP DATABASE IF EXISTS {database}")
            self.sql(f"CREATE DATABASE {database}")
            self.dsn = f"{base}/{database}"
            self.prefix = f"{self.prefix}-{name.replace('_', '-')}"
        self.env = {**os.environ, "ORDERLOG_PG_DSN": self.dsn, "ORDERLOG_TOPIC_PREFIX": self.prefix,
                    "ORDERLOG_PARTITIONS": str(partitions), "NO_COLOR": "1"}
        self.env.pop("ORDERLOG_KILL_POINT", None)

    def make(self):
        self.must("migrate", "up")
        self.must("topics", "apply", "--execute")
        return self

    def topic(self, context, stream):
        return f"{self.prefix}.{context}.{stream}.v1"

    # -- commands

    def call(self, *words, stdin=None, timeout=PATIENCE):
        """orderlog with these words; stdin: text or bytes."""
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([BINARY, *map(str, words)], env=self.env, input=stdin or b"",
                              capture_output=True, timeout=timeout, check=False)
        done.stdout = done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
        return done

    def must(self, *words, **more):
        done = self.call(*words, **more)
        if done.returncode != 0:
            raise Hopeless(f"orderlog {' '.join(map(str, words))}: exit {done.returncode}: {done.stderr}")
        return done

    def bring_in(self, kind, path, first_time=True):
        """import, to its end; again while a server is away. Commands published."""
        for _ in range(20):
            done = self.call("import", kind, path, "--json", "--no-wait")
            if done.returncode != 5:
                break
        if done.returncode != 0:
            raise Hopeless(f"import {kind}: exit {done.returncode}: {done.stderr}")
        count = int(json.loads(done.stdout)["commands"])
        self.commands += count if first_time else 0
        return count

    def bring_in_lists(self, folder, first_time=True):
        """Products and wallets, before any basket."""
        return sum(self.bring_in(kind, folder / f"{kind}.csv", first_time)
                   for kind in ("products", "accounts"))

    def bring_in_all(self, folder, first_time=True):
        """Baskets only when all else has its outcome: across contexts nothing else orders them."""
        count = self.bring_in_lists(folder, first_time)
        if first_time:
            self.settle()
        return count + self.bring_in("baskets", folder / "baskets.csv", first_time)

    def submit(self, *commands, words=("--wait", "--json"), counted=True):
        """Commands as objects of the JSON mapping; the rows printed for them."""
        text = "".join(json.dumps(command) + "\n" for command in commands)
        done = self.call("submit", *words, "-", stdin=text)
        self.commands += len(commands) if counted else 0
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return sorted(rows, key=lambda row: int(row.get("line", 0)))

    # -- roles

    def role(self, kind, slot, words, kill_point):
        env = dict(self.env)
        if kill_point:
            env["ORDERLOG_KILL_POINT"] = kill_point
        name = f"{kind}-{slot}"
        return Process(name, [BINARY, kind, "--slot", str(slot), *map(str, words)], env,
                       self.dir / f"{name}.log")

    def worker(self, slot=0, *words, kill_point=None):
        return self.role("worker", slot, words, kill_point)

    def projector(self, slot=0, *words, kill_point=None):
        return self.role("projector", slot, words, kill_point)

    # -- rows

    def sql(self, query):
        """Rows, as lists of texts; null is None."""
        done = subprocess.run(["psql", "-X", "-q", "-d", self.dsn, "-v", "ON_ERROR_STOP=1", "-f", "-"],
                              input=query if not query.lstrip().upper().startswith(("SELECT", "WITH"))
                              else f"COPY ({query}) TO STDOUT (FORMAT csv, NULL '\\N')",
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise Hopeless(f"psql: {done.stderr}")
        return [[None if cell == "\\N" else cell for cell in row]
                for row in csv.reader(io.StringIO(done.stdout))]

    def number(self, query):
        return int(self.sql(query)[0][0])

    def statuses(self):
        """{(status, saga state, reason): orders}"""
        return {tuple(row[:3]): int(row[3]) for row in self.sql(
            "SELECT status, saga_state, reason, count(*) FROM orderlog.orders GROUP BY 1, 2, 3")}

    def dump(self):
        """{table: its rows}, without the counters of duplicates and how far it is."""
        tables = {}
        for table, columns in self.sql(
                "SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) "
                "FROM information_schema.columns NATURAL JOIN information_schema.tables "
                "WHERE table_schema = 'orderlog' AND table_type = 'BASE TABLE' "
                "AND table_name <> 'projection_progress' AND table_name NOT LIKE 'schema_migration%' AND column_name <> 'duplicates' GROUP BY 1"):
            tables[table] = self.sql(f"SELECT {columns} FROM orderlog.{table} ORDER BY 1, 2")
        return tables

    def duplicates(self):
        return self.number("SELECT coalesce(sum(duplicates), 0) FROM orderlog.commands")

    # -- coming to rest

    def settle(self, meanwhile=lambda: None):
        """Waits until every command has its row and no saga is open."""
        def is_settled():
            meanwhile()
            commands, sagas, payments = map(int, self.sql(
                "SELECT (SELECT count(*) FROM orderlog.commands), "
                "(SELECT count(*) FROM orderlog.orders WHERE saga_state IN ('running', 'undoing', 'stuck')), "
                "(SELECT count(*) FROM orderlog.payments WHERE status = 'AUTHORISED')")[0])
            self.seen = f"{commands} of {self.commands} commands, {sagas} open sagas, {payments} held"
            if commands > self.commands:
                raise Hopeless(f"more than was asked: {self.seen}")
            return commands == self.commands and sagas == 0 and payments == 0
        try:
            wait_until(is_settled, "it has settled", every=0.3)
        except Hopeless as error:
            raise Hopeless(f"{error} ({self.seen})") from None
        note(f"settled: {self.seen}")

    def verify(self, name="orderlog verify finds nothing"):
        done = self.call("verify", "--wait-settled", PATIENCE, timeout=2 * PATIENCE)
        if done.returncode != 0:
            note(f"verify: {done.stdout}")
        return check(name, done.returncode == 0,
                     f"exit {done.returncode}: {done.stdout[-300:]} {done.stderr[-300:]}")


# ---- the sample ------------------------------------------------------------------------------

def sample(orders, stock=None, funds=None):
    """A folder with the first orders of the sample as CSV files."""
    folder = DIR / f"sample-{orders}-{stock}-{funds}"
    words = [sys.executable, ROOT / "deploy/local/convert.py", "--out", folder, "--orders", orders]
    for flag, value in (("--stock", stock), ("--funds", funds)):
        if value is not None:
            words += [flag, value]
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
    return folder


def baskets(path):
    """{basket id: its lines as rows}, in the file's order."""
    found = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["basket_id"], []).append(row)
    return found


def slices(path, count):
    """The baskets in so many files of about the same size."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *lines = file.read().split("\r\n")
    lines = [line for line in lines if line]
    starts = [i for i, line in enumerate(lines)
              if i == 0 or line.split(",", 1)[0] != lines[i - 1].split(",", 1)[0]]
    parts = []
    for i in range(count):
        first, last = len(starts) * i // count, len(starts) * (i + 1) // count
        if first == last:
            continue
        end = starts[last] if last < len(starts) else len(lines)
        part = path.with_name(f"{path.stem}-{i}.csv")
        part.write_bytes("\r\n".join([header, *lines[starts[first]:end], ""]).encode())
        parts.append(part)
    return parts

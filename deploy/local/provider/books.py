"""provider/books.py - the provider's books in SQLite: tables, transactions, its clock, what is due later.

    Books(path)                 opens or makes them; one connection, one lock. only_read: beside their owner
    with books.transaction():   all of it or nothing; nested ones are savepoints
    books.now_us()              its own clock, which may be put forward
    books.later(at_us, kind, detail)   what happens by itself: kept, so a restart does not lose it

WAL with synchronous NORMAL: what is committed outlives kill -9 of the process (not the machine's fall,
which nothing here tests). An answer is stored with what it tells, in one transaction, before it is sent.
"""
import contextlib
import json
import secrets
import sqlite3
import string
import threading
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS intent (
  seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, created INTEGER NOT NULL, amount INTEGER NOT NULL,
  currency TEXT NOT NULL, status TEXT NOT NULL, capture_method TEXT NOT NULL, payment_method TEXT,
  description TEXT, suffix TEXT, metadata TEXT NOT NULL, capturable INTEGER NOT NULL DEFAULT 0,
  received INTEGER NOT NULL DEFAULT 0, charge TEXT, multicapture INTEGER NOT NULL DEFAULT 0,
  return_url TEXT, authorisation_s REAL, last_error TEXT, next_action TEXT, canceled_at INTEGER,
  cancellation_reason TEXT);
CREATE INDEX IF NOT EXISTS intent_created ON intent (created);
CREATE TABLE IF NOT EXISTS charge (
  seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, created INTEGER NOT NULL, intent TEXT NOT NULL,
  amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, payment_method TEXT,
  metadata TEXT NOT NULL, captured INTEGER NOT NULL DEFAULT 0, is_captured INTEGER NOT NULL DEFAULT 0,
  capture_before INTEGER, multicapture INTEGER NOT NULL DEFAULT 0, failure_code TEXT,
  decline_code TEXT, failure_message TEXT);
CREATE INDEX IF NOT EXISTS charge_intent ON charge (intent);
CREATE TABLE IF NOT EXISTS capture (
  seq INTEGER PRIMARY KEY, created INTEGER NOT NULL, intent TEXT NOT NULL, charge TEXT NOT NULL,
  amount INTEGER NOT NULL, metadata TEXT NOT NULL, key TEXT);
CREATE INDEX IF NOT EXISTS capture_intent ON capture (intent);
-- released: a hold that was given up, booked as a refund; no money goes back.
CREATE TABLE IF NOT EXISTS refund (
  seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, created INTEGER NOT NULL, intent TEXT NOT NULL,
  charge TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL,
  reason TEXT, failure_reason TEXT, released INTEGER NOT NULL DEFAULT 0, metadata TEXT NOT NULL,
  key TEXT);
CREATE INDEX IF NOT EXISTS refund_charge ON refund (charge);
CREATE TABLE IF NOT EXISTS idempotency (
  key TEXT PRIMARY KEY, at_us INTEGER NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL,
  request TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS due (
  seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS due_at ON due (at_us);
CREATE TABLE IF NOT EXISTS met (
  rule TEXT NOT NULL, subject TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (rule, subject));
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
ALPHABET = string.ascii_letters + string.digits
ID_LETTERS = 24


class Books:
    def __init__(self, path, only_read=False):
        self.connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={'ro' if only_read else 'rwc'}",
                                          uri=True, isolation_level=None, check_same_thread=False)
        self.connection.row_factory = sqlite3.Row
        self.begin = "BEGIN" if only_read else "BEGIN IMMEDIATE"
        if not only_read:
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = NORMAL")
            self.connection.executescript(SCHEMA)
        self.lock = threading.RLock()
        self.depth = 0
        self.something_due = threading.Condition(self.lock)
        self.ahead_us = int(self.setting("ahead_us", "0"))

    def close(self):
        with self.lock:
            self.connection.close()

    # ---- transactions ------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self):
        with self.lock:
            mark = f"inner_{self.depth}"
            self.connection.execute(f"SAVEPOINT {mark}" if self.depth else self.begin)
            self.depth += 1
            try:
                yield
            except BaseException:
                self.depth -= 1
                if self.depth:
                    self.connection.execute(f"ROLLBACK TO {mark}")
                    self.connection.execute(f"RELEASE {mark}")
                else:
                    self.connection.execute("ROLLBACK")
                raise
            self.depth -= 1
            self.connection.execute(f"RELEASE {mark}" if self.depth else "COMMIT")

    def run(self, statement, *values):
        with self.lock:
            return self.connection.execute(statement, values)

    def all(self, statement, *values):
        with self.lock:
            return [dict(row) for row in self.connection.execute(statement, values)]

    def one(self, statement, *values):
        rows = self.all(statement, *values)
        return rows[0] if rows else None

    def insert(self, table, **row):
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *row.values())

    def update(self, table, which, **row):
        names = ", ".join(f"{name} = ?" for name in row)
        self.run(f"UPDATE {table} SET {names} WHERE id = ?", *row.values(), which)

    def get(self, table, which):
        return self.one(f"SELECT * FROM {table} WHERE id = ?", which)

    # ---- clock, settings, ids ----------------------------------------------------------------

    def now_us(self):
        return time.time_ns() // 1000 + self.ahead_us

    def now_s(self):
        return self.now_us() // 1_000_000

    def put_forward(self, seconds):
        with self.transaction():
            ahead_us = self.ahead_us + int(seconds * 1_000_000)
            self.set("ahead_us", str(ahead_us))
        self.ahead_us = ahead_us

    def setting(self, name, default=None):
        row = self.one("SELECT value FROM setting WHERE name = ?", name)
        return row["value"] if row else default

    def set(self, name, value):
        self.run("INSERT OR REPLACE INTO setting VALUES (?, ?)", name, value)

    @staticmethod
    def new_id(prefix):
        return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(ID_LETTERS))

    # ---- what is due later -------------------------------------------------------------------

    def later(self, at_us, kind, detail):
        with self.lock:
            self.insert("due", at_us=int(at_us), kind=kind, detail=json.dumps(detail))
            self.something_due.notify_all()

    def take_due(self):
        """(kind, detail) of what is due, gone with the transaction that does it; None if nothing is."""
        row = self.one("SELECT * FROM due WHERE at_us <= ? ORDER BY at_us, seq LIMIT 1", self.now_us())
        if not row:
            return None
        self.run("DELETE FROM due WHERE seq = ?", row["seq"])
        return row["kind"], json.loads(row["detail"])

    def wait_due(self, at_most_s):
        """Returns when something is due, something new was added, or after that time."""
        with self.lock:
            row = self.one("SELECT min(at_us) AS at_us FROM due")
            if row["at_us"] is not None:
                at_most_s = min(at_most_s, (row["at_us"] - self.now_us()) / 1_000_000)
            if at_most_s > 0:
                self.something_due.wait(at_most_s)

    # ---- sums ----------------------------------------------------------------------------------

    def refunded(self, charge, released=None):
        """What refunds took of a charge; only those that are (not) releases, if asked."""
        row = self.one("SELECT coalesce(sum(amount), 0) AS sum FROM refund WHERE charge = ?1"
                       " AND status NOT IN ('failed', 'canceled')"
                       " AND (?2 IS NULL OR released = ?2)", charge, released)
        return row["sum"]

"""provider/client.py - for tests: a provider started, killed and told, and any client of it over HTTPS.

    run(TESTS)       each gets the Provider, with no bad manners; exit 1 if anything was not ok
    Provider(folder) post(path, key, **form), get(path, **form): Reply; pay, hold; books() by id
    check, same, wait_until, drops
"""
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import report
from books import Books

PROVIDER = Path(__file__).resolve().parent / "provider"
PATIENCE_S = 60
failures = 0


def check(name, fine, why=""):
    global failures
    failures += not fine
    print(f"ok - {name}" if fine else f"not ok - {name}: {why}", flush=True)


def same(name, found, wanted):
    check(name, found == wanted, f"{found!r}, not {wanted!r}")


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.01)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        return json.loads(self.body)[name]

    @property
    def error(self):
        return json.loads(self.body).get("error", {})

    def says(self):
        """(status, type, code) of an error."""
        return self.status, self.error.get("type"), self.error.get("code")


class Provider:
    """A provider in a folder of its own, and a client of it."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.start()

    def start(self, *more):
        log = open(f"{self.folder}.log", "a", encoding="utf-8")
        self.process = subprocess.Popen([PROVIDER, "serve", self.folder, *more], text=True,
                                        stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        assert line.startswith("listening at "), f"it did not start: see {self.folder}.log"
        self.url = urllib.parse.urlsplit(line.split()[-1])
        self.secret = (self.folder / "secret").read_text().strip()
        self.context = ssl.create_default_context(cafile=self.folder / "cert.pem")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def run(self, verb, *more, text=None):
        return subprocess.run([PROVIDER, verb, self.folder, *map(str, more)], input=text, text=True,
                              capture_output=True, check=False)

    def tell(self, verb, *more, text=None):
        done = self.run(verb, *more, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def control(self, method, verb, **what):
        reply = self.call(method, "/_control/" + verb, json.dumps(what), Content_Type="application/json")
        assert reply.status == 200, reply.body
        return reply

    def manners(self, *rules, seed=1, **settings):
        self.control("POST", "manners", seed=seed, settings=settings, rules=rules)

    def met(self):
        return self.control("GET", "manners")["met"]

    def advance(self, seconds):
        self.control("POST", "clock", advance_s=seconds)

    def books(self):
        kept = Books(self.folder / "books.db", only_read=True)
        with kept.transaction():
            rows = {row["id"]: row for row in report.intents(kept)}
        kept.close()
        return rows

    def call(self, method, path, form=(), key=None, **headers):
        headers = {"Authorization": f"Bearer {self.secret}", "Stripe-Version": "2026-10-28.endive",
                   **{name.replace("_", "-"): value for name, value in headers.items()}}
        body = form if isinstance(form, str) else urllib.parse.urlencode(form)
        path = path if path.startswith("/") else "/v1/" + path
        if method == "POST":
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            headers.update({"Idempotency-Key": key} if key else {})
        elif form:
            path, body = f"{path}?{body}", ""
        connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=PATIENCE_S,
                                                 context=self.context)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def post(self, path, key=None, headers=None, **form):
        return self.call("POST", path, flat(form), key, **(headers or {}))

    def get(self, path, **form):
        return self.call("GET", path, flat(form))

    def pay(self, order, key=None, amount=1000, **more):
        form = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa",
                "confirm": "true", "metadata": {"order": order}, **more}
        return self.post("payment_intents", key, **form)

    def hold(self, order, **more):
        return self.pay(order, capture_method="manual", **more)

    def of(self, order):
        return [row for row in self.books().values() if row["metadata"].get("order") == order]


def flat(form, outer=""):
    pairs = []
    for name, value in form.items():
        name = f"{outer}[{name}]" if outer else name
        pairs += flat(value, name) if isinstance(value, dict) else [(name, value)]
    return pairs


def drops(do):
    try:
        reply = do()
    except (OSError, http.client.HTTPException):
        return True
    print(f"# answered {reply.status}", file=sys.stderr)
    return False


def run(tests):
    with tempfile.TemporaryDirectory(dir=os.environ.get("ORDERLOG_TEST_DIR")) as folder:
        provider = Provider(Path(folder) / "provider")
        try:
            for test in tests:
                provider.manners()
                test(provider)
        finally:
            provider.kill()
            if failures or sys.exc_info()[0]:
                print(Path(f"{provider.folder}.log").read_text()[-4000:], file=sys.stderr)
    sys.exit(int(failures > 0))

"""provider/service.py - a request's way: credentials, route, manners, key, books, answer.

    arrive -> [the key: in use 409 | other parameters 400 | known: replayed] -> hold -> act -> done -> leave

    Service(books, secret)      answer(request) -> Answer, or None where the connection is to drop
    service.run_due()           what is due by the provider's clock: outcomes, expiries, late requests

What is acted and the answer that the key keeps are one transaction, committed before a byte is sent: who
is killed in between answers the same again.
"""
import hashlib
import hmac
import json
import re
import threading
from dataclasses import asdict, dataclass, field

import errors
import intents
import refunds
from errors import Answer, Refusal, encode, error_answer, invalid
from manners import ACT, ARRIVE, DONE, HOLD, LEAVE, Manners
from params import Params, parse

PAYMENT_INTENTS, REFUNDS, CHARGES = "/v1/payment_intents", "/v1/refunds", "/v1/charges"
# method, path, operation, what it takes, who does it
ROUTES = [(method, re.compile(path), operation, takes, do) for method, path, operation, takes, do in (
    ("POST", PAYMENT_INTENTS, "create", "create", intents.create),
    ("GET", PAYMENT_INTENTS, "list", "list", intents.list_all),
    ("GET", PAYMENT_INTENTS + "/([^/]+)", "retrieve", "retrieve", intents.retrieve),
    ("POST", PAYMENT_INTENTS + "/([^/]+)/confirm", "confirm", "confirm", intents.confirm),
    ("POST", PAYMENT_INTENTS + "/([^/]+)/capture", "capture", "capture", intents.capture),
    ("POST", PAYMENT_INTENTS + "/([^/]+)/cancel", "cancel", "cancel", intents.cancel),
    ("POST", REFUNDS, "refund", "refund", refunds.create),
    ("GET", REFUNDS, "list", "list_refunds", refunds.list_all),
    ("GET", REFUNDS + "/([^/]+)", "retrieve", "retrieve", refunds.retrieve),
    ("GET", CHARGES, "list", "list_charges", refunds.list_charges),
    ("GET", CHARGES + "/([^/]+)", "retrieve", "retrieve", refunds.retrieve_charge),
)]
LONGEST_KEY = 255
VERSION = re.compile(r"\d{4}-\d\d-\d\d(\.[a-z_]+)?")
FORM = "application/x-www-form-urlencoded"
UNPARSABLE = {"html": b"<html><body><h1>Bad gateway</h1></body></html>", "empty": b"",
              "no_id": b'{"object": "payment_intent", "status": "succeeded"}\n'}
IDLE_S = 60
OF_INTENTS = {"expire": intents.expire, "customer": intents.customer, "outcome": intents.outcome,
              "refund": refunds.later}


@dataclass
class Request:
    """What came over the wire, and what of it is kept where it is delivered late."""
    method: str
    path: str
    query: str
    body: str
    authorization: str = ""
    content_type: str = ""
    key: str = ""
    version: str = ""


@dataclass
class Call:
    """A request that has a route, and what the one who does it needs."""
    request: Request
    id: str
    books: object
    manners: object
    which: str = ""
    takes: str = ""
    do: object = None
    operations: list = field(default_factory=list)
    form: dict = field(default_factory=dict)
    params: Params = None
    sending: int = 0  # 0 where it comes late

    @property
    def key(self):
        return self.request.key or None

    @property
    def path(self):
        return self.request.path

    @property
    def subject(self):
        return self.request.key or f"{self.request.path}?{self.request.query}"

    @property
    def settings(self):
        return self.manners.settings

    def rule(self, *actions):
        return self.manners.pick(ACT, self, *actions)


class Service:
    def __init__(self, books, secret):
        self.books, self.secret = books, secret
        self.manners = Manners(books)
        self.in_flight = set()
        self.ending = threading.Event()
        self.second = (0, 0)  # of the books' clock; requests in it

    def answer(self, request):
        call = Call(request, self.books.new_id("req"), self.books, self.manners)
        try:
            self.check(request)
            self.route(call)
            call.sending = self.manners.sending(call.subject)
            answer = self.arrive(call) or self.perform(call)
            answer = self.leave(call, answer) if answer.status else None
        except Refusal as refusal:
            answer = refusal.answer()
        if answer:
            answer.headers = {**self.headers(call), **answer.headers}
        return answer

    def headers(self, call):
        headers = {"Request-Id": call.id, "Content-Type": "application/json"}
        if call.request.version:
            headers["Stripe-Version"] = call.request.version
        if call.key and call.request.method == "POST":
            headers.update({"Idempotency-Key": call.key, "Original-Request": call.id})
        return headers

    # ---- before anything happens -----------------------------------------------------------------

    def allows(self, authorization):
        return hmac.compare_digest(authorization.encode(), f"Bearer {self.secret}".encode())

    def check(self, request):
        if not request.authorization:
            raise Refusal(401, "invalid_request_error", "You did not provide an API key. You need to "
                          "provide your API key in the Authorization header, using Bearer auth.")
        if not self.allows(request.authorization):
            raise Refusal(401, "invalid_request_error", "Invalid API Key provided.")
        if request.version and not VERSION.fullmatch(request.version):
            raise invalid(f"Invalid Stripe API version: {request.version}")
        if len(request.key) > LONGEST_KEY:
            raise invalid(f"Idempotency keys have at most {LONGEST_KEY} characters.")
        if request.method == "POST" and request.body and request.content_type != FORM:
            raise invalid(f"Invalid request: the content type must be {FORM}.")

    def route(self, call):
        request = call.request
        for method, path, operation, takes, do in ROUTES:
            match = path.fullmatch(request.path)
            if match and method == request.method:
                call.which = match[1] if path.groups else ""
                call.takes, call.do, call.operations = takes, do, [operation]
                break
        else:
            raise Refusal(404, "invalid_request_error",
                          f"Unrecognized request URL ({request.method}: {request.path}).")
        try:
            call.form = dict(parse(request.body if request.method == "POST" else request.query))
        except ValueError as error:
            raise invalid(f"Invalid form: {error}") from None
        if call.operations == ["create"] and call.form.get("confirm") == "true":
            call.operations.append("confirm")

    def arrive(self, call):
        """None if it goes on; an Answer of status 0 where the connection drops."""
        if self.too_many():
            raise Refusal(429, "invalid_request_error", "Too many requests.", code="rate_limit")
        rule = self.manners.pick(ARRIVE, call)
        if not rule:
            return None
        if rule["do"] == "delay":
            self.manners.wait(rule)
            return None
        if rule["do"] == "late":
            after_ms = rule.get("after_ms", self.manners.settings["later_ms"])
            kept = {**asdict(call.request), "authorization": ""}
            self.books.later(self.books.now_us() + after_ms * 1000, "late", kept)
        if rule["do"] in ("late", "drop"):
            return Answer(0, b"")
        return with_hint(early_answer(rule, call), rule)

    def too_many(self):
        allowed = self.manners.settings["rate_per_s"]
        with self.books.lock:
            now, count = self.books.now_s(), self.second[1]
            self.second = (now, count + 1 if now == self.second[0] else 1)
            return allowed and self.second[1] > allowed

    # ---- the key ---------------------------------------------------------------------------------

    def perform(self, call):
        if not call.key or call.request.method != "POST":
            return self.execute(call)
        with self.books.lock:
            if call.key in self.in_flight:
                raise errors.in_use(call.key)
            replayed = self.replay(call)
            if replayed:
                return replayed
            self.in_flight.add(call.key)
        try:
            return self.execute(call)
        finally:
            with self.books.lock:
                self.in_flight.discard(call.key)

    def replay(self, call):
        oldest_us = self.books.now_us() - int(self.manners.settings["key_lifetime_s"] * 1_000_000)
        known = self.books.one("SELECT * FROM idempotency WHERE key = ? AND at_us > ?",
                               call.key, oldest_us)
        if not known:
            return None
        if known["path"] != call.path:
            raise errors.other_path(call.key, call.path, known["path"])
        if known["digest"] != digest(call):
            raise errors.other_parameters(call.key)
        return Answer(known["status"], known["body"],
                      {"Original-Request": known["request"], "Idempotent-Replayed": "true"})

    # ---- acting ----------------------------------------------------------------------------------

    def execute(self, call):
        if call.sending:
            held = self.manners.pick(HOLD, call)
            if held:
                self.manners.wait(held)
            self.run_due()
        with self.books.transaction():
            answer = self.act(call)
            if call.key and call.request.method == "POST" and answer.kept:
                self.books.run("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)",
                               call.key, self.books.now_us(), call.path, digest(call), call.id,
                               answer.status, answer.body)
        return answer

    def act(self, call):
        failing = call.rule("error", "refuse")
        if failing:
            return with_hint(failed(failing), failing)
        try:
            with self.books.transaction():
                call.params = Params(call.takes, list(self.pairs(call)))
                done = call.do(call)
            answer = done if isinstance(done, Answer) else Answer(200, encode(done))
        except Refusal as refusal:
            return refusal.answer()
        failing = self.manners.pick(DONE, call, "error")
        if failing:
            answer = with_hint(failed(failing), failing)
        answer.kept = not self.manners.pick(DONE, call, "forget")
        return answer

    def pairs(self, call):
        return parse(call.request.body if call.request.method == "POST" else call.request.query)

    def leave(self, call, answer):
        rule = self.manners.pick(LEAVE, call)
        if not rule:
            return answer
        if rule["do"] == "drop":
            return None
        if rule["do"] == "delay":
            self.manners.wait(rule)
            return answer
        return garbled(rule.get("body", "html"), answer)

    # ---- what happens by itself ------------------------------------------------------------------

    def run_due(self):
        with self.books.lock:
            while True:
                with self.books.transaction():
                    due = self.books.take_due()
                    if not due:
                        return
                    kind, detail = due
                    if kind == "late":
                        self.deliver(Request(**detail))
                    else:
                        OF_INTENTS[kind](self.books, detail)

    def deliver(self, request):
        """A request that comes late: nobody waits for its answer, and no manners delay it again."""
        call = Call(request, self.books.new_id("req"), self.books, self.manners)
        try:
            self.route(call)
            self.perform(call)
        except Refusal:
            pass  # who sent it has gone

    def tick(self):
        """Runs what is due, until it is told to end."""
        while not self.ending.is_set():
            self.books.wait_due(IDLE_S)
            if not self.ending.is_set():
                self.run_due()

    def end(self):
        self.ending.set()
        self.manners.end()
        with self.books.lock:
            self.books.something_due.notify_all()


# ---- answers that the manners make -----------------------------------------------------------------

def early_answer(rule, call):
    if rule["do"] == "rate_limit":
        code = rule.get("code", "rate_limit")
        return error_answer(429, type="invalid_request_error", code=code,
                            message="Request rate limit exceeded.")
    if rule["do"] == "in_use":
        return errors.in_use(call.subject).answer()
    return failed(rule)


def failed(rule):
    if rule["do"] == "refuse":
        return error_answer(rule.get("status", 400), True, type=rule.get("type", "invalid_request_error"),
                            code=rule.get("code"), decline_code=rule.get("decline_code"),
                            message=rule.get("message", "Refused, as it was told."))
    answer = errors.internal().answer()
    answer.status, answer.kept = rule.get("status", 500), True
    return answer


def with_hint(answer, rule):
    if "should_retry" in rule:
        answer.headers["Stripe-Should-Retry"] = json.dumps(rule["should_retry"])
    return answer


def garbled(how, answer):
    if how == "cut":
        body = answer.body[:len(answer.body) // 2]
    elif how == "other_id":
        body = re.sub(rb"\b(pi|re|ch)_(?=\w{24})", rb"\1_other", answer.body)
    else:
        body = UNPARSABLE[how]
    headers = {**answer.headers, "Content-Type": "text/html"} if how == "html" else answer.headers
    return Answer(answer.status, body, headers)


def digest(call):
    pairs = sorted(parse(call.request.body))
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()

"""provider/manners.py - the bad manners: rules that say which requests meet what, drawn from a seed.

    {"seed": 1, "settings": {"key_lifetime_s": 86400},
     "rules": [{"name": "late charge", "on": "confirm", "do": "late", "after_ms": 3000, "rate": 0.05}]}

A rule: `do` and its fields (ACTIONS); `on`, an operation, several, or "any"; `rate` (0 to 1), drawn from
seed, rule, subject (the key, else the path) and the how-many-eth sending this is; `times` in all and
`per_subject` bound it;
`match`, a table of the request's own parameters. The first rule of a stage that hits is met, and counted
in the books. A create with confirm=true is both operations.

`delay` ends early when the rules are replaced.
Stages: arrive (before the key is looked at), hold (the key is in use), act, done (acted, the answer not yet
kept), leave (kept).
"""
import hashlib
import json
import threading

OPERATIONS = ("create", "confirm", "capture", "cancel", "refund", "retrieve", "list")
ARRIVE, HOLD, ACT, DONE, LEAVE = "arrive", "hold", "act", "done", "leave"
COMMON = {"name": str, "on": (str, list), "do": str, "rate": (int, float), "times": int,
          "per_subject": int, "match": dict}
SETTINGS = {"key_lifetime_s": 86_400, "authorisation_s": 7 * 86_400, "rate_per_s": 0,
            "later_ms": 1000, "cancel_processing": False, "multicapture": False}

HINT = {"should_retry": bool}  # the header Stripe-Should-Retry

# action -> (stage by `when`, or the one stage; fields; operations that it makes sense on)
ACTIONS = {
    "delay": ({"before": ARRIVE, "during": HOLD, "after": LEAVE}, {"ms": int}, OPERATIONS),
    "drop": ({"before": ARRIVE, "after": LEAVE}, {}, OPERATIONS),
    "late": (ARRIVE, {"after_ms": int}, OPERATIONS),
    "rate_limit": (ARRIVE, {"code": str, **HINT}, OPERATIONS),
    "in_use": (ARRIVE, HINT, OPERATIONS),
    "error": ({"before": ARRIVE, "instead": ACT, "after": DONE}, {"status": int, **HINT}, OPERATIONS),
    "garble": (LEAVE, {"body": str}, OPERATIONS),
    "refuse": (ACT, {"status": int, "type": str, "code": str, "message": str, "decline_code": str,
                     **HINT}, OPERATIONS),
    "decline": (ACT, {"code": str, "decline_code": str}, ("confirm", "capture")),
    "requires_action": (ACT, {"after_ms": int, "then": str}, ("confirm",)),
    "processing": (ACT, {"after_ms": int, "then": str, "code": str, "decline_code": str},
                   ("confirm",)),
    "expire": (ACT, {"capture_before_s": (int, float)}, ("confirm",)),
    "refund_later": (ACT, {"status": str, "then": str, "after_ms": int, "reason": str}, ("refund",)),
    "forget": (DONE, {}, OPERATIONS),
}
CHOICES = {("garble", "body"): ("html", "empty", "cut", "no_id", "other_id"),
           ("refund_later", "status"): ("pending", "succeeded"),
           ("refund_later", "then"): ("succeeded", "failed"),
           ("requires_action", "then"): ("succeed", "fail"),
           ("processing", "then"): ("succeed", "fail"),
           ("rate_limit", "code"): ("rate_limit", "lock_timeout")}


class BadManners(ValueError):
    """The text of the rules can't be used; the message says where."""


# ---- reading them ----------------------------------------------------------------------------------

def read(text):
    try:
        given = json.loads(text)
    except ValueError as error:
        raise BadManners(f"not JSON: {error}") from None
    expect(isinstance(given, dict), "an object with seed, settings, rules")
    for name in given:
        expect(name in ("seed", "settings", "rules"), f"unknown member '{name}'")
    settings = given.get("settings", {})
    expect(isinstance(settings, dict), "settings must be an object")
    for name, value in settings.items():
        expect(name in SETTINGS, f"unknown setting '{name}' (there are {', '.join(SETTINGS)})")
        fits = isinstance(value, bool) == isinstance(SETTINGS[name], bool)
        expect(fits and isinstance(value, (int, float)) and value >= 0, f"setting '{name}': {value!r}")
    rules = given.get("rules", [])
    expect(isinstance(rules, list), "rules must be a list")
    rules = [read_rule(at, rule) for at, rule in enumerate(rules, 1)]
    names = [rule["name"] for rule in rules]
    expect(len(set(names)) == len(names), "two rules have one name")
    return {"seed": given.get("seed", 0), "settings": {**SETTINGS, **settings}, "rules": rules}


def expect(fine, what):
    if not fine:
        raise BadManners(what)


def read_rule(at, rule):
    expect(isinstance(rule, dict) and rule.get("do") in ACTIONS,
           f"rule {at}: do must be one of {', '.join(ACTIONS)}")
    stages, fields, operations = ACTIONS[rule["do"]]
    here = f"rule {at} ({rule['do']})"
    known = {**COMMON, **fields, **({"when": str} if isinstance(stages, dict) else {})}
    for name, value in rule.items():
        expect(name in known, f"{here}: unknown field '{name}' (there are {', '.join(known)})")
        fits = isinstance(value, known[name]) and isinstance(value, bool) == (known[name] is bool)
        expect(fits, f"{here}: {name} can't be {value!r}")
        choices = CHOICES.get((rule["do"], name), (value,))
        expect(value in choices, f"{here}: {name} must be one of {', '.join(map(str, choices))}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            expect(value >= 0, f"{here}: {name} can't be negative")
    rule = {"name": f"{at} {rule['do']}", "rate": 1, **rule}
    expect(rule["rate"] <= 1, f"{here}: rate is 0 to 1")
    usual = "confirm" if rule["do"] == "decline" else list(operations)
    rule["on"] = read_on(here, rule.get("on", usual), operations)
    if isinstance(stages, dict):
        rule.setdefault("when", next(iter(stages)))
        expect(rule["when"] in stages, f"{here}: when must be one of {', '.join(stages)}")
    rule["stage"] = stages[rule["when"]] if isinstance(stages, dict) else stages
    return rule


def read_on(here, wanted, operations):
    wanted = [wanted] if isinstance(wanted, str) else wanted
    wanted = list(operations) if wanted == ["any"] else wanted
    for name in wanted:
        expect(name in operations, f"{here}: on must be of {', '.join(operations)}")
    return wanted


# ---- being met by them -----------------------------------------------------------------------------

class Manners:
    """The rules in force, kept in the books: a restart goes on with them and with their counts."""

    def __init__(self, books):
        self.books = books
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.sendings = {}
        self.text = books.setting("manners", "{}")
        self.given = read(self.text)

    def replace(self, text):
        given = read(text)
        with self.books.transaction():
            self.books.set("manners", text)
            self.books.run("DELETE FROM met")
        with self.lock:
            self.sendings = {}
            self.text, self.given = text, given
            self.changed.notify_all()

    def wait(self, rule):
        """What a rule of delays asks for; it ends early when there are other rules, or no more of them."""
        with self.lock:
            given = self.given
            self.changed.wait_for(lambda: self.given is not given, rule.get("ms", 1000) / 1000)

    def end(self):
        with self.lock:
            self.given = {**self.given, "rules": []}
            self.changed.notify_all()

    @property
    def settings(self):
        return self.given["settings"]

    def sending(self, subject):
        """The how-many-eth time this is sent."""
        with self.lock:
            self.sendings[subject] = self.sendings.get(subject, 0) + 1
            return self.sendings[subject]

    def pick(self, stage, call, *actions):
        """The rule that this request meets in this stage, counted as met; None if it meets none."""
        with self.books.lock:
            for rule in self.given["rules"]:
                if (rule["stage"] == stage and (not actions or rule["do"] in actions)
                        and self.hits(rule, call)):
                    self.count(rule, call)
                    return rule
        return None

    def hits(self, rule, call):
        if not set(rule["on"]) & set(call.operations):
            return False
        for name, value in rule.get("match", {}).items():
            if call.form.get(name) != (value if isinstance(value, str) else json.dumps(value)):
                return False
        return self.drawn(rule, call) and self.is_left(rule, call)

    def drawn(self, rule, call):
        drawn = f"{self.given['seed']}\n{rule['name']}\n{call.subject}\n{call.sending}"
        digest = hashlib.blake2b(drawn.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") < rule["rate"] * 2**64

    def is_left(self, rule, call):
        if "times" not in rule and "per_subject" not in rule:
            return True
        met = self.books.one(
            "SELECT coalesce(sum(count), 0) AS here, (SELECT coalesce(sum(count), 0) FROM met"
            " WHERE rule = ?1) AS in_all FROM met WHERE rule = ?1 AND subject = ?2",
            rule["name"], call.subject)
        return (met["in_all"] < rule.get("times", met["in_all"] + 1)
                and met["here"] < rule.get("per_subject", met["here"] + 1))

    def count(self, rule, call):
        with self.books.transaction():
            self.books.run("INSERT INTO met VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                           rule["name"], call.subject)

    def counts(self):
        rows = self.books.all("SELECT rule, sum(count) AS count FROM met GROUP BY rule")
        return {row["rule"]: row["count"] for row in rows}

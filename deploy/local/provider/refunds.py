"""provider/refunds.py - refunds: at once, pending, failing later; and the reading of charges.

A failed refund gives its amount back to what can be refunded. Holds that were given up are in the same
table and in the same lists, told apart only here, in the books.
"""
import json

from errors import invalid, missing
from intents import find
from params import check_amount
from shapes import charge_shape, list_shape, refund_shape

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
# As the API's test tokens do.
TOKENS = {"pm_card_pendingRefund": {"status": "pending", "then": "succeeded"},
          "pm_card_refundFail": {"status": "succeeded", "then": "failed"}}


def create(call):
    params, books = call.params, call.books
    charge = charge_of(call)
    reason = params.choice("reason", REASONS)
    left = charge["captured"] - books.refunded(charge["id"], released=0)
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.",
                      code="charge_already_refunded", kept=True)
    amount = check_amount("amount", params.get("amount", left), charge["currency"])
    if amount > left:
        raise invalid(f"Refund amount ({amount} {charge['currency']}) is greater than unrefunded "
                      f"amount on charge ({left} {charge['currency']})", param="amount")
    ends = call.rule("refund_later") or TOKENS.get(charge["payment_method"]) or {}
    which = books.new_id("re")
    books.insert("refund", id=which, created=books.now_s(), intent=charge["intent"],
                 charge=charge["id"], amount=amount, currency=charge["currency"],
                 status=ends.get("status", "succeeded"), reason=reason,
                 metadata=json.dumps(params.metadata), key=call.key)
    if ends:
        after_ms = ends.get("after_ms", call.settings["later_ms"])
        books.later(books.now_us() + after_ms * 1000, "refund",
                    {"refund": which, "then": ends.get("then", "failed"),
                     "reason": ends.get("reason", "unknown")})
    return refund_shape(books, books.get("refund", which))


def charge_of(call):
    """The charge that is to be refunded: it must have taken money."""
    params, books = call.params, call.books
    if params.get("payment_intent") is None:
        which = params.need("charge")
    else:
        which = find(books, params.get("payment_intent"), "payment_intent")["charge"]
    charge = books.get("charge", which) if which else None
    if not charge and params.get("payment_intent") is None:
        raise missing("charge", which, "charge")
    if not charge or not charge["is_captured"]:
        raise invalid(f"This PaymentIntent ({charge['intent'] if charge else params.get('payment_intent')})"
                      " does not have a successful charge to refund.", param="payment_intent", kept=True)
    return charge


def later(books, detail):
    """A refund ends: what was pending succeeds or fails, what had succeeded comes back."""
    failed = detail["then"] == "failed"
    books.update("refund", detail["refund"], status=detail["then"],
                 failure_reason=detail["reason"] if failed else None)


def found(call, table):
    row = call.books.get(table, call.which)
    if not row:
        raise missing(table, call.which, table)
    return row


def retrieve(call):
    return refund_shape(call.books, found(call, "refund"))


def list_all(call):
    return list_shape(call.books, "refund", call.params, call.path)


def retrieve_charge(call):
    return charge_shape(call.books, found(call, "charge"))


def list_charges(call):
    return list_shape(call.books, "charge", call.params, call.path)

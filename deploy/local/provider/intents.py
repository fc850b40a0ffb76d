"""provider/intents.py - PaymentIntents: create, confirm, capture, cancel, and what happens to them later.

    requires_payment_method -> requires_confirmation -> [requires_action | processing] ->
        requires_capture -> succeeded;  canceled from all but succeeded (and processing, by setting)

Each verb takes the call and returns what is answered: a shape, or an Answer of its own where a decline is
booked. What is refused is refused before anything is written. A hold that is given up is booked as a
refund, as the real one does: facts that a client must not add up with money that went back.
"""
import json

from attempts import confirm_now, attempt_outcome
from errors import error_answer, decline_text, invalid, missing, unexpected_state
from params import check_amount, check_charge_amount, check_currency
from shapes import intent_shape, list_shape

CAPTURE_METHODS = ("automatic", "automatic_async", "manual")
REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation",
              "requires_action", "processing")
MOST_CAPTURES = 50
EXPIRED = "expired_uncaptured_charge"


def find(books, which, param="intent"):
    row = books.get("intent", which)
    if not row:
        raise missing("payment_intent", which, param)
    return row


def shown(call, which):
    return intent_shape(call.books, call.books.get("intent", which),
                        call.params.expands("latest_charge"))


# ---- verbs ---------------------------------------------------------------------------------------

def create(call):
    params, books = call.params, call.books
    amount, currency = params.need("amount"), check_currency(params.need("currency"))
    check_charge_amount(amount, currency)
    method = check_method(params.get("payment_method"))
    capture_method = params.choice("capture_method", CAPTURE_METHODS, "automatic_async")
    if params.get("confirm") and not method:
        raise invalid("You cannot confirm this PaymentIntent because it's missing a payment method.",
                      param="payment_method", code="parameter_missing")
    which = books.new_id("pi")
    books.insert("intent", id=which, created=books.now_s(), amount=amount, currency=currency,
                 status="requires_confirmation" if method else "requires_payment_method",
                 capture_method=capture_method, payment_method=method,
                 description=params.get("description"),
                 suffix=params.get("statement_descriptor_suffix"),
                 metadata=json.dumps(params.metadata), return_url=params.get("return_url"),
                 multicapture=wants_multicapture(call))
    return confirm_now(call, which) if params.get("confirm") else shown(call, which)


def confirm(call):
    params, books = call.params, call.books
    row = find(books, call.which)
    if row["status"] not in CONFIRMABLE:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it has a status of "
            f"{row['status']}.", intent_shape(books, row))
    method = check_method(params.get("payment_method")) or row["payment_method"]
    if not method:
        raise unexpected_state("You cannot confirm this PaymentIntent because it's missing a payment "
                               "method.", intent_shape(books, row))
    books.update("intent", row["id"], payment_method=method,
                 capture_method=params.choice("capture_method", CAPTURE_METHODS,
                                              row["capture_method"]),
                 return_url=params.get("return_url", row["return_url"]),
                 multicapture=row["multicapture"] or wants_multicapture(call))
    return confirm_now(call, row["id"])


def capture(call):
    params, books = call.params, call.books
    row = find(books, call.which)
    if row["status"] != "requires_capture":
        raise not_capturable(books, row)
    amount, final = params.get("amount_to_capture", row["capturable"]), params.get("final_capture", True)
    check_amount("amount_to_capture", amount, row["currency"])
    if amount > row["capturable"]:
        raise invalid("The requested capture amount is greater than the amount you can capture for "
                      "this charge.", param="amount_to_capture", code="amount_too_large")
    if not final:
        check_multicapture(books, row)
    declined = call.rule("decline")
    if declined:
        return decline_capture(call, row, declined)
    book_capture(books, row, amount, params.metadata, call.key)
    left = row["capturable"] - amount
    if final and left:
        release(books, row["charge"], left, None)
    ends = final or not left
    metadata = {**json.loads(row["metadata"]), **params.metadata}
    books.update("intent", row["id"], capturable=0 if ends else left,
                 received=row["received"] + amount, metadata=json.dumps(metadata),
                 status="succeeded" if ends else "requires_capture")
    return shown(call, row["id"])


def cancel(call):
    params, books = call.params, call.books
    row = find(books, call.which)
    reason = params.choice("cancellation_reason", REASONS)
    in_process = row["status"] == "processing" and not call.settings["cancel_processing"]
    if row["status"] not in CANCELABLE or in_process:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {row['status']}. Only a "
            "PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(CANCELABLE)}.", intent_shape(books, row))
    give_up(books, row, reason, None)
    return shown(call, row["id"])


def retrieve(call):
    find(call.books, call.which)
    return shown(call, call.which)


def list_all(call):
    return list_shape(call.books, "intent", call.params, call.path)


# ---- rules of the verbs ----------------------------------------------------------------------------

def check_method(method):
    if method is not None and not method.startswith("pm_"):
        raise missing("PaymentMethod", method, "payment_method", status=400)
    return method


def wants_multicapture(call):
    name = "payment_method_options[card][request_multicapture]"
    wanted = call.params.choice(name, ("if_available", "never"), "never")
    return int(wanted == "if_available" and call.settings["multicapture"])


def not_capturable(books, row):
    if row["status"] == "succeeded":
        return unexpected_state("This PaymentIntent could not be captured because it has already been "
                                "captured.", intent_shape(books, row))
    return unexpected_state(
        f"This PaymentIntent could not be captured because it has a status of {row['status']}. Only a "
        "PaymentIntent with one of the following statuses may be captured: requires_capture.",
        intent_shape(books, row))


def check_multicapture(books, row):
    if not books.get("charge", row["charge"])["multicapture"]:
        raise invalid("This PaymentIntent can't be captured several times: its charge says that "
                      "multicapture is unavailable.", param="final_capture")
    done = books.one("SELECT count(*) AS count FROM capture WHERE intent = ?", row["id"])
    if done["count"] >= MOST_CAPTURES - 1:
        raise invalid(f"A PaymentIntent has at most {MOST_CAPTURES} captures: the last must be final.",
                      param="final_capture")


def decline_capture(call, row, declined):
    """The bank says no to the capture; the hold stays."""
    code = declined.get("code", "card_declined")
    decline_code = declined.get("decline_code", "generic_decline")
    return error_answer(402, True, type="card_error", code=code, decline_code=decline_code,
                        message=decline_text(code, decline_code), charge=row["charge"],
                        payment_intent=intent_shape(call.books, row))


# ---- bookings --------------------------------------------------------------------------------------

def book_capture(books, row, amount, metadata, key):
    books.insert("capture", created=books.now_s(), intent=row["id"], charge=row["charge"],
                 amount=amount, metadata=json.dumps(metadata), key=key)
    books.run("UPDATE charge SET captured = captured + ?, is_captured = 1 WHERE id = ?",
              amount, row["charge"])


def release(books, charge, amount, reason):
    row = books.get("charge", charge)
    books.insert("refund", id=books.new_id("re"), created=books.now_s(), intent=row["intent"],
                 charge=charge, amount=amount, currency=row["currency"], status="succeeded",
                 reason=reason, released=1, metadata="{}")


def give_up(books, row, reason, refund_reason):
    if row["capturable"]:
        release(books, row["charge"], row["capturable"], refund_reason)
    if row["status"] == "processing":
        books.update("charge", row["charge"], status="failed")
    books.update("intent", row["id"], status="canceled", capturable=0, canceled_at=books.now_s(),
                 cancellation_reason=reason, next_action=None)


# ---- what happens later ----------------------------------------------------------------------------

def expire(books, detail):
    """The authorisation ran out, unless it was captured or canceled in time."""
    row = books.get("intent", detail["intent"])
    if row["status"] == "requires_capture" and row["charge"] == detail["charge"]:
        give_up(books, row, "expired", EXPIRED)


def customer(books, detail):
    """The customer did, or did not, what requires_action asked for."""
    row = books.get("intent", detail["intent"])
    if row["status"] == "requires_action":
        attempt_outcome(books, row, detail)


def outcome(books, detail):
    """What was processing came to an end."""
    row = books.get("intent", detail["intent"])
    if row["status"] == "processing" and row["charge"] == detail["charge"]:
        attempt_outcome(books, row, detail)


def control_customer(books, wanted):
    row = books.get("intent", wanted.get("payment_intent", ""))
    if not row or row["status"] != "requires_action":
        raise invalid(f"{wanted.get('payment_intent')} awaits nothing of a customer.")
    customer(books, {"intent": row["id"], "then": wanted["then"],
                     "code": "payment_intent_authentication_failure"})


def control_expire(books, wanted):
    row = books.get("intent", wanted.get("payment_intent", ""))
    if not row or row["status"] != "requires_capture":
        raise invalid(f"{wanted.get('payment_intent')} holds nothing.")
    expire(books, {"intent": row["id"], "charge": row["charge"]})

"""provider/attempts.py - one attempt to take money: what decides it, and what is booked for each outcome.

A rule of the manners decides first, then the payment method, which may be one of the test tokens that the
API has too (pm_card_visa and its like). What is decided is one of:

    succeed | decline (code, decline_code) | requires_action | processing; the last two may end by themselves
"""
import json

from errors import decline_text, error_answer
from shapes import intent_shape

SUCCEED = {"do": "succeed"}


def declined(decline_code, code="card_declined"):
    return {"do": "decline", "code": code, "decline_code": decline_code}


TOKENS = {
    "pm_card_chargeDeclined": declined("generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": declined("insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": declined("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": declined("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": declined("processing_error", "processing_error"),
    "pm_card_visa_chargeDeclined": declined("generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": declined("insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": declined("lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": declined("stolen_card"),
    "pm_card_authenticationRequired": {"do": "requires_action"},
    "pm_card_threeDSecure2Required": {"do": "requires_action"},
    "pm_card_threeDSecureRequired": {"do": "requires_action"},
}
DECIDERS = ("decline", "requires_action", "processing")
MICROSECONDS = 1_000_000


def confirm_now(call, which):
    row = call.books.get("intent", which)
    decided = call.rule(*DECIDERS) or TOKENS.get(row["payment_method"], SUCCEED)
    alone = call.params.get("off_session") or call.params.get("error_on_requires_action")
    if decided["do"] == "requires_action" and alone:
        decided = declined("authentication_required", "authentication_required")
    expires = call.rule("expire") or {}
    authorisation_s = expires.get("capture_before_s", call.settings["authorisation_s"])
    call.books.update("intent", which, last_error=None, next_action=None,
                      authorisation_s=authorisation_s)
    return OUTCOMES[decided["do"]](call, call.books.get("intent", which), decided)


def answered(call, which):
    return intent_shape(call.books, call.books.get("intent", which),
                        call.params.expands("latest_charge"))


# ---- the four outcomes -----------------------------------------------------------------------------

def succeeds(call, row, decided):
    settle(call.books, row, call.key)
    return answered(call, row["id"])


def is_declined(call, row, decided):
    error = book_decline(call.books, row, decided)
    shape = intent_shape(call.books, call.books.get("intent", row["id"]))
    return error_answer(402, True, **error, payment_intent=shape)


def needs_action(call, row, decided):
    call.books.update("intent", row["id"], status="requires_action",
                      next_action=json.dumps(action_of(row)))
    end_later(call, row["id"], None, "customer", decided)
    return answered(call, row["id"])


def is_processing(call, row, decided):
    charge = book_charge(call.books, row, "pending")
    call.books.update("intent", row["id"], status="processing", charge=charge)
    end_later(call, row["id"], charge, "outcome", {"after_ms": call.settings["later_ms"], **decided})
    return answered(call, row["id"])


OUTCOMES = {"succeed": succeeds, "decline": is_declined, "requires_action": needs_action,
            "processing": is_processing}


def end_later(call, which, charge, kind, decided):
    if decided.get("after_ms") is not None:
        call.books.later(call.books.now_us() + decided["after_ms"] * 1000, kind,
                         {"intent": which, "charge": charge, "then": decided.get("then", "succeed"),
                          "code": decided.get("code"), "decline_code": decided.get("decline_code")})


def action_of(row):
    if row["return_url"]:
        url = f"https://hooks.example/3d_secure_2/{row['id']}"
        return {"type": "redirect_to_url",
                "redirect_to_url": {"url": url, "return_url": row["return_url"]}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}


def attempt_outcome(books, row, detail):
    if detail["then"] == "succeed":
        settle(books, row, None)
    else:
        book_decline(books, row, detail)


# ---- bookings --------------------------------------------------------------------------------------

def book_charge(books, row, status, **more):
    """A charge of this attempt; the one that was pending goes on."""
    if row["status"] == "processing":
        books.update("charge", row["charge"], status=status, **more)
        return row["charge"]
    which = books.new_id("ch")
    books.insert("charge", id=which, created=books.now_s(), intent=row["id"], amount=row["amount"],
                 currency=row["currency"], status=status, payment_method=row["payment_method"],
                 metadata=row["metadata"], multicapture=row["multicapture"], **more)
    return which


def settle(books, row, key):
    """The money is taken, or held where capture is manual."""
    if row["capture_method"] == "manual":
        hold(books, row)
        return
    charge = book_charge(books, row, "succeeded", captured=row["amount"], is_captured=1)
    books.insert("capture", created=books.now_s(), intent=row["id"], charge=charge,
                 amount=row["amount"], metadata=row["metadata"], key=key)
    books.update("intent", row["id"], status="succeeded", charge=charge, received=row["amount"],
                 next_action=None)


def hold(books, row):
    until_us = books.now_us() + int(row["authorisation_s"] * MICROSECONDS)
    charge = book_charge(books, row, "succeeded", capture_before=until_us // MICROSECONDS)
    books.update("intent", row["id"], status="requires_capture", charge=charge,
                 capturable=row["amount"], next_action=None)
    books.later(until_us, "expire", {"intent": row["id"], "charge": charge})


def book_decline(books, row, decided):
    """Books the failed charge; returns the members of the error."""
    code = decided.get("code") or "card_declined"
    decline_code = decided.get("decline_code")
    if not decline_code and code == "card_declined":
        decline_code = "generic_decline"
    message = decline_text(code, decline_code)
    charge = book_charge(books, row, "failed", failure_code=code, decline_code=decline_code,
                         failure_message=message)
    error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": message,
             "charge": charge}
    error = {name: value for name, value in error.items() if value is not None}
    books.update("intent", row["id"], status="requires_payment_method", charge=charge,
                 payment_method=None, next_action=None, last_error=json.dumps(error))
    return error

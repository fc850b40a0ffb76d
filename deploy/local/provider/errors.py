"""provider/errors.py - how the API says no: the error object, and the refusals that are raised.

    raise Refusal(...)   nothing was done. kept: execution had begun, so the key keeps this answer;
                         what is refused for its form, its rate or its credentials is not kept
    error_body(...)      {"error": {"type", "code", "message", "param", ...}}
"""
import json
from dataclasses import dataclass, field

DOC = "https://docs.stripe.com/error-codes#"
DECLINE_TEXTS = {
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict = field(default_factory=dict)
    kept: bool = True


class Refusal(Exception):
    def __init__(self, status, kind, message, code=None, param=None, kept=False, **more):
        super().__init__(message)
        self.status = status
        self.kept = kept
        self.error = {"type": kind, "code": code, "message": message, "param": param, **more}

    def answer(self):
        return error_answer(self.status, self.kept, **self.error)


def error_answer(status, kept=False, **error):
    """What is None is left out, as there."""
    error = {name: value for name, value in error.items() if value is not None}
    if "code" in error:
        error["doc_url"] = DOC + error["code"].replace("_", "-")
    return Answer(status, encode({"error": error}), kept=kept)


def encode(value):
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def invalid(message, param=None, code=None, **more):
    return Refusal(400, "invalid_request_error", message, code=code, param=param, **more)


def missing(what, which, param, status=404):
    return Refusal(status, "invalid_request_error", f"No such {what}: '{which}'",
                   code="resource_missing", param=param)


def unexpected_state(message, intent):
    return invalid(message, code="payment_intent_unexpected_state", kept=True, payment_intent=intent)


def internal(message="An error occurred while processing your request. Try again."):
    return Refusal(500, "api_error", message)


def in_use(key):
    return Refusal(409, "invalid_request_error", "There is currently another in-progress request using "
                   f"this Idempotent Key (that probably means you submitted twice): {key}",
                   code="idempotency_key_in_use")


def other_parameters(key):
    return Refusal(400, "idempotency_error", "Keys for idempotent requests can only be used with the "
                   "same parameters they were first used with. Try using a key other than "
                   f"'{key}' if you meant to execute a different request.")


def other_path(key, path, first):
    return Refusal(400, "idempotency_error", "Keys for idempotent requests can only be used for the "
                   f"same endpoint they were first used for ('{path}' vs '{first}'). Try using a key "
                   f"other than '{key}' if you meant to execute a different request.")


def decline_text(code, decline_code):
    return DECLINE_TEXTS.get(decline_code) or DECLINE_TEXTS.get(code) or "Your card was declined."

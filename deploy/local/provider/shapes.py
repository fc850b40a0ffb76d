"""provider/shapes.py - rows of the books as the API's objects: PaymentIntent, Charge, Refund, lists.

The members that a client can act upon; those that say nothing here are null, as they are there.
"""
import json

from errors import invalid, missing

NAMES = {"intent": "payment_intent", "charge": "charge", "refund": "refund"}
LIMITS = {"created": "=", "created[gt]": ">", "created[gte]": ">=", "created[lt]": "<",
          "created[lte]": "<="}
MOST_LISTED, LISTED = 100, 10


def loads(text):
    return json.loads(text) if text else None


def intent_shape(books, row, expand=False):
    charge = row["charge"]
    if expand and charge:
        charge = charge_shape(books, books.get("charge", charge))
    return {
        "id": row["id"], "object": "payment_intent", "amount": row["amount"],
        "amount_capturable": row["capturable"], "amount_received": row["received"],
        "automatic_payment_methods": None, "canceled_at": row["canceled_at"],
        "cancellation_reason": row["cancellation_reason"], "capture_method": row["capture_method"],
        "client_secret": f"{row['id']}_secret_of_the_test_provider", "confirmation_method": "automatic",
        "created": row["created"], "currency": row["currency"], "customer": None,
        "description": row["description"], "last_payment_error": loads(row["last_error"]),
        "latest_charge": charge, "livemode": False, "metadata": loads(row["metadata"]),
        "next_action": loads(row["next_action"]), "payment_method": row["payment_method"],
        "payment_method_types": ["card"], "processing": None, "receipt_email": None,
        "statement_descriptor": None, "statement_descriptor_suffix": row["suffix"],
        "status": row["status"], "transfer_group": None,
    }


def charge_shape(books, row):
    refunded = books.refunded(row["id"])
    return {
        "id": row["id"], "object": "charge", "amount": row["amount"],
        "amount_captured": row["captured"], "amount_refunded": refunded,
        "balance_transaction": None, "captured": bool(row["is_captured"]), "created": row["created"],
        "currency": row["currency"], "customer": None, "description": None, "disputed": False,
        "failure_code": row["failure_code"], "failure_message": row["failure_message"],
        "livemode": False, "metadata": loads(row["metadata"]), "outcome": outcome_shape(row),
        "paid": row["status"] == "succeeded", "payment_intent": row["intent"],
        "payment_method": row["payment_method"], "payment_method_details": details_shape(row),
        "receipt_number": None, "refunded": refunded >= row["amount"], "status": row["status"],
    }


def outcome_shape(row):
    declined = row["status"] == "failed"
    return {"network_status": "declined_by_network" if declined else "approved_by_network",
            "reason": row["decline_code"], "type": "issuer_declined" if declined else "authorized"}


def details_shape(row):
    card = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034, "funding": "credit",
            "multicapture": {"status": "available" if row["multicapture"] else "unavailable"},
            "overcapture": {"maximum_amount_capturable": row["amount"], "status": "unavailable"}}
    if row["capture_before"] and not row["is_captured"]:
        card["capture_before"] = row["capture_before"]
    return {"type": "card", "card": card}


def refund_shape(books, row):
    shape = {
        "id": row["id"], "object": "refund", "amount": row["amount"], "balance_transaction": None,
        "charge": row["charge"], "created": row["created"], "currency": row["currency"],
        "destination_details": {"type": "card", "card": {"type": "refund"}},
        "metadata": loads(row["metadata"]), "payment_intent": row["intent"], "reason": row["reason"],
        "receipt_number": None, "source_transfer_reversal": None, "status": row["status"],
        "transfer_reversal": None,
    }
    if row["failure_reason"]:
        shape["failure_reason"] = row["failure_reason"]
        shape["failure_balance_transaction"] = None
    return shape


SHAPES = {"charge": charge_shape, "refund": refund_shape}


def shape_of(books, table, row, expand=False):
    if table == "intent":
        return intent_shape(books, row, expand)
    return SHAPES[table](books, row)


def list_shape(books, table, params, url):
    """Newest first; a page begins after starting_after or ends before ending_before."""
    limit = params.get("limit", LISTED)
    if not 1 <= limit <= MOST_LISTED:
        raise invalid(f"limit must be between 1 and {MOST_LISTED}.", param="limit")
    where, values = filters(books, table, params)
    backwards = params.get("ending_before") is not None
    rows = books.all(f"SELECT * FROM {table} WHERE {where} ORDER BY seq {'ASC' if backwards else 'DESC'}"
                     " LIMIT ?", *values, limit + 1)
    more, rows = len(rows) > limit, rows[:limit]
    if backwards:
        rows.reverse()
    expand = params.expands("data.latest_charge")
    return {"object": "list", "data": [shape_of(books, table, row, expand) for row in rows],
            "has_more": more, "url": url}


def filters(books, table, params):
    where, values = ["1"], []
    for name, sign in LIMITS.items():
        if params.get(name) is not None:
            where.append(f"created {sign} ?")
            values.append(params.get(name))
    for name, column in (("payment_intent", "intent"), ("charge", "charge")):
        if params.get(name) is not None:
            where.append(f"{column} = ?")
            values.append(params.get(name))
    for name, sign in (("starting_after", "<"), ("ending_before", ">")):
        if params.get(name) is not None:
            row = books.get(table, params.get(name))
            if not row:
                raise missing(NAMES[table], params.get(name), name, status=400)
            where.append(f"seq {sign} ?")
            values.append(row["seq"])
    return " AND ".join(where), values

"""provider/params.py - form-encoded parameters: what each route takes, and amounts in each currency.

    parse(text)                  "a[b]=c&d[]=e" as [(name, value)]; d[0] is d[]
    Params(operation, pairs)     checked by the table below; an unknown one is refused
    check_amount(...)            bounds and units of the currency, as the API has them
"""
import re
import urllib.parse

from errors import invalid

LIST = {"limit": "whole", "starting_after": "text", "ending_before": "text", "created": "whole",
        "created[gt]": "whole", "created[gte]": "whole", "created[lt]": "whole",
        "created[lte]": "whole", "expand[]": "text"}
CONFIRM = {"payment_method": "text", "return_url": "text", "off_session": "truth",
           "error_on_requires_action": "truth", "capture_method": "text", "receipt_email": "text",
           "payment_method_types[]": "text", "use_stripe_sdk": "truth",
           "payment_method_options[card][request_multicapture]": "text",
           "payment_method_options[card][request_three_d_secure]": "text", "expand[]": "text"}
TAKES = {
    "create": {**CONFIRM, "amount": "whole", "currency": "text", "confirm": "truth",
               "confirmation_method": "text", "customer": "text", "description": "text",
               "statement_descriptor_suffix": "text", "transfer_group": "text",
               "automatic_payment_methods[enabled]": "truth",
               "automatic_payment_methods[allow_redirects]": "text", "metadata[*]": "text"},
    "confirm": CONFIRM,
    "capture": {"amount_to_capture": "whole", "final_capture": "truth", "metadata[*]": "text",
                "statement_descriptor_suffix": "text", "expand[]": "text"},
    "cancel": {"cancellation_reason": "text", "expand[]": "text"},
    "refund": {"payment_intent": "text", "charge": "text", "amount": "whole", "reason": "text",
               "metadata[*]": "text", "expand[]": "text"},
    "retrieve": {"expand[]": "text", "client_secret": "text"},
    "list": {**LIST, "customer": "text"},
    "list_charges": {**LIST, "payment_intent": "text", "customer": "text"},
    "list_refunds": {**LIST, "payment_intent": "text", "charge": "text"},
}
METADATA_KEYS, METADATA_KEY, METADATA_VALUE = 50, 40, 500
TRUTHS = {"true": True, "false": False}

# ISO 4217 codes that are accepted; ISK and UGX have two decimals there that must be 00.
ZERO_DECIMALS = set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
IN_HUNDREDS = {"isk", "ugx"}
IN_TENS = set("bhd jod kwd omr tnd".split())
TWO_DECIMALS = set("""
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf
    cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils
    inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad
    ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std
    szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw""".split())
CURRENCIES = ZERO_DECIMALS | IN_HUNDREDS | IN_TENS | TWO_DECIMALS
LEAST = {"gbp": 30, "mxn": 1000, "hkd": 400, "dkk": 250, "sek": 300, "nok": 300, "czk": 1500,
         "huf": 17500, "pln": 200, "ron": 200, "aed": 200, "myr": 200, "thb": 1000, "jpy": 50,
         **dict.fromkeys("usd eur cad aud chf nzd sgd brl inr".split(), 50)}
DIGITS, MORE_DIGITS = 8, {"inr": 9, "idr": 12, "cop": 10, "huf": 10, "jpy": 10, "lbp": 11}


def parse(text):
    pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=500)
    return [(re.sub(r"\[\d+\]", "[]", name), value) for name, value in pairs]


def whole(name, value):
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise invalid(f"Invalid integer: {value}", param=name, code="parameter_invalid_integer")
    return int(value)


def truth(name, value):
    if value not in TRUTHS:
        raise invalid(f"Invalid boolean: {value}", param=name)
    return TRUTHS[value]


READERS = {"whole": whole, "truth": truth, "text": lambda name, value: value}


class Params:
    def __init__(self, takes, pairs):
        self.values, self.lists, self.metadata = {}, {}, {}
        for name, value in pairs:
            self.add(TAKES[takes], name, value)
        if len(self.metadata) > METADATA_KEYS:
            raise invalid(f"Metadata can have at most {METADATA_KEYS} keys.", param="metadata")

    def add(self, known, name, value):
        if name.startswith("metadata[") and "metadata[*]" in known:
            self.add_metadata(name, value)
        elif name not in known:
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")
        elif name.endswith("[]"):
            self.lists.setdefault(name, []).append(value)
        elif value == "":
            raise invalid(f"You passed an empty string for '{name}'.", param=name,
                          code="parameter_invalid_empty")
        else:
            self.values[name] = READERS[known[name]](name, value)

    def add_metadata(self, name, value):
        match = re.fullmatch(r"metadata\[([^\[\]]+)\]", name)
        if not match:
            raise invalid("Metadata keys can't be nested or empty.", param=name)
        if len(match[1]) > METADATA_KEY or len(value) > METADATA_VALUE:
            raise invalid(f"Metadata keys have at most {METADATA_KEY} characters, values at most "
                          f"{METADATA_VALUE}.", param=name)
        if value:
            self.metadata[match[1]] = value

    def get(self, name, default=None):
        return self.values.get(name, default)

    def need(self, name):
        if name not in self.values:
            raise invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
        return self.values[name]

    def choice(self, name, choices, default=None):
        value = self.get(name, default)
        if value is not None and value not in choices:
            raise invalid(f"Invalid {name}: must be one of {', '.join(choices)}", param=name)
        return value

    def expands(self, *names):
        return any(name in self.lists.get("expand[]", []) for name in names)


def check_currency(currency):
    currency = currency.lower()
    if currency not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}. Stripe currently supports these currencies: "
                      f"{', '.join(sorted(CURRENCIES))}", param="currency")
    return currency


def check_amount(name, amount, currency):
    """What holds for any amount: of a charge, of a capture, of a refund."""
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", param=name,
                      code="parameter_invalid_integer")
    if currency in IN_HUNDREDS and amount % 100:
        raise invalid(f"Amounts in {currency} must be a multiple of 100.", param=name,
                      code="invalid_charge_amount_no_decimal_compatible")
    if currency in IN_TENS and amount % 10:
        raise invalid(f"Amounts in {currency} must be a multiple of 10.", param=name)
    return amount


def check_charge_amount(amount, currency):
    check_amount("amount", amount, currency)
    if len(str(amount)) > MORE_DIGITS.get(currency, DIGITS):
        raise invalid("Amount is too large.", param="amount", code="amount_too_large")
    if amount < LEAST.get(currency, 1):
        raise invalid(f"Amount must be at least {LEAST[currency]} {currency}.", param="amount",
                      code="amount_too_small")
    return amount

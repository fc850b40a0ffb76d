#!/usr/bin/env bash
# babel-currency-digits - the digits that CLDR has for a currency are not those of ISO 4217.
#
# What: get_currency_precision() tells how many digits people show, not what the minor unit is: none for
#   15 currencies to which ISO gives 2 or 3. The list grows: HUF, IDR and COP had 2 in CLDR 47.
# Where: Babel 2.19.0, against list one of 2026-01-01 in iso4217 1.16.20260101 (Python). Browsers and
#   Node (Intl), ICU and Java's NumberFormat have CLDR's data too.
# Why: who computes minor units by it is wrong by 100 or 1,000, in some versions, for some currencies.
# So: digits come from our own table, domain/currency.def, which people get as analytics.currencies and from
#   `orderlog currencies`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin babel-currency-digits 'both have the same digits for every currency'
venv babel==2.19.0 iso4217==1.16.20260101

cat >"$TEMP/show.py" <<'PYTHON'
import importlib.resources
import xml.etree.ElementTree as ET
from babel.numbers import get_currency_precision

table = ET.fromstring(importlib.resources.files("iso4217").joinpath("table.xml").read_bytes())
iso = {entry.findtext("Ccy"): entry.findtext("CcyMnrUnts") for entry in table.iter("CcyNtry")}
print(*(f"{code} {get_currency_precision(code)} for {digits}" for code, digits in sorted(iso.items(), key=str)
        if code and digits.isdigit() and int(digits) != get_currency_precision(code)), sep=", ")
PYTHON
step "$PYTHON" "$TEMP/show.py" >"$TEMP/python" 2>"$TEMP/python.log"
told=$(<"$TEMP/python")
[[ $told == *'HUF 0 for 2, IDR 0 for 2, IQD 0 for 3'* ]] || changed "Babel against ISO: ${told:-no difference}"
seen "Babel against ISO: $told"

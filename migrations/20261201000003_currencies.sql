-- Amounts with their currency: how many digits of one stand behind the point, and whose the legs are.
-- migrate:up
CREATE VIEW analytics.currencies AS
    SELECT c.code, c.digits, c.kind, c.from_day, c.until_day
      FROM (VALUES
            ('ADP'::char(3), 0, 'money', NULL::date, '2002-01-01'::date),
            ('AED', 2, 'money', NULL, NULL), ('AFA', 2, 'money', NULL, '2003-01-01'),
            ('AFN', 2, 'money', NULL, NULL), ('ALK', NULL, 'money', NULL, '1965-08-17'),
            ('ALL', 2, 'money', NULL, NULL), ('AMD', 2, 'money', NULL, NULL),
            ('ANG', 2, 'money', NULL, '2025-07-01'), ('AOA', 2, 'money', NULL, NULL),
            ('AOK', NULL, 'money', NULL, '1991-03-02'), ('AON', NULL, 'money', NULL, '2000-02-02'),
            ('AOR', NULL, 'money', NULL, '2000-02-02'), ('ARA', NULL, 'money', NULL, '1992-01-02'),
            ('ARP', NULL, 'money', NULL, '1985-06-15'), ('ARS', 2, 'money', NULL, NULL),
            ('ARY', NULL, 'money', NULL, '1991-01-01'), ('ATS', 2, 'money', NULL, '2002-03-01'),
            ('AUD', 2, 'money', NULL, NULL), ('AWG', 2, 'money', NULL, NULL),
            ('AYM', 2, 'money', NULL, '2005-11-01'), ('AZM', 2, 'money', NULL, '2007-01-01'),
            ('AZN', 2, 'money', NULL, NULL), ('BAD', NULL, 'money', NULL, '1994-08-16'),
            ('BAM', 2, 'money', NULL, NULL), ('BBD', 2, 'money', NULL, NULL), ('BDT', 2, 'money', NULL, NULL),
            ('BEC', NULL, 'money', NULL, '1990-04-01'), ('BEF', 0, 'money', NULL, '2002-03-01'),
            ('BEL', NULL, 'money', NULL, '1990-04-01'), ('BGJ', NULL, 'money', NULL, '1991-01-01'),
            ('BGK', NULL, 'money', NULL, '1991-01-01'), ('BGL', 2, 'money', NULL, '1999-07-06'),
            ('BGN', 2, 'money', NULL, '2026-02-01'), ('BHD', 3, 'money', NULL, NULL),
            ('BIF', 0, 'money', NULL, NULL), ('BMD', 2, 'money', NULL, NULL), ('BND', 2, 'money', NULL, NULL),
            ('BOB', 2, 'money', NULL, NULL), ('BOP', NULL, 'money', NULL, '1987-01-01'),
            ('BOV', 2, 'fund', NULL, NULL), ('BRB', NULL, 'money', NULL, '1986-03-01'),
            ('BRC', NULL, 'money', NULL, '1989-01-16'), ('BRE', NULL, 'money', NULL, '1993-08-02'),
            ('BRL', 2, 'money', NULL, NULL), ('BRN', NULL, 'money', NULL, '1990-03-17'),
            ('BRR', NULL, 'money', NULL, '1994-07-02'), ('BSD', 2, 'money', NULL, NULL),
            ('BTN', 2, 'money', NULL, NULL), ('BUK', NULL, 'money', NULL, '1989-06-19'),
            ('BWP', 2, 'money', NULL, NULL), ('BYB', 0, 'money', NULL, '2001-01-01'),
            ('BYN', 2, 'money', '2016-07-01', NULL), ('BYR', 0, 'money', NULL, '2017-01-02'),
            ('BZD', 2, 'money', NULL, NULL), ('CAD', 2, 'money', NULL, NULL), ('CDF', 2, 'money', NULL, NULL),
            ('CHC', NULL, 'money', NULL, '2004-12-01'), ('CHE', 2, 'fund', NULL, NULL),
            ('CHF', 2, 'money', NULL, NULL), ('CHW', 2, 'fund', NULL, NULL), ('CLF', 4, 'fund', NULL, NULL),
            ('CLP', 0, 'money', NULL, NULL), ('CNY', 2, 'money', NULL, NULL), ('COP', 2, 'money', NULL, NULL),
            ('COU', 2, 'fund', NULL, NULL), ('CRC', 2, 'money', NULL, NULL),
            ('CSD', 2, 'money', NULL, '2006-10-26'), ('CSJ', NULL, 'money', NULL, '1991-01-01'),
            ('CSK', NULL, 'money', NULL, '1993-03-02'), ('CUC', 2, 'money', NULL, '2021-01-02'),
            ('CUP', 2, 'money', NULL, NULL), ('CVE', 2, 'money', NULL, NULL),
            ('CYP', 2, 'money', NULL, '2008-02-01'), ('CZK', 2, 'money', NULL, NULL),
            ('DDM', NULL, 'money', NULL, '1990-10-03'), ('DEM', 2, 'money', NULL, '2002-05-16'),
            ('DJF', 0, 'money', NULL, NULL), ('DKK', 2, 'money', NULL, NULL), ('DOP', 2, 'money', NULL, NULL),
            ('DZD', 2, 'money', NULL, NULL), ('ECS', NULL, 'money', NULL, '2000-10-03'),
            ('ECV', NULL, 'money', NULL, '2000-10-01'), ('EEK', 2, 'money', NULL, '2011-01-01'),
            ('EGP', 2, 'money', NULL, NULL), ('ERN', 2, 'money', NULL, NULL),
            ('ESA', NULL, 'money', NULL, '1982-01-01'), ('ESB', NULL, 'money', NULL, '1995-01-01'),
            ('ESP', 0, 'money', NULL, '2002-03-01'), ('ETB', 2, 'money', NULL, NULL),
            ('EUR', 2, 'money', NULL, NULL), ('FIM', 2, 'money', NULL, '2002-03-01'),
            ('FJD', 2, 'money', NULL, NULL), ('FKP', 2, 'money', NULL, NULL),
            ('FRF', 2, 'money', NULL, '2002-02-18'), ('GBP', 2, 'money', NULL, NULL),
            ('GEK', NULL, 'money', NULL, '1995-09-26'), ('GEL', 2, 'money', NULL, NULL),
            ('GHC', 2, 'money', NULL, '2008-01-01'), ('GHP', NULL, 'money', NULL, '2007-07-01'),
            ('GHS', 2, 'money', NULL, NULL), ('GIP', 2, 'money', NULL, NULL), ('GMD', 2, 'money', NULL, NULL),
            ('GNE', NULL, 'money', NULL, '1990-01-01'), ('GNF', 0, 'money', NULL, NULL),
            ('GNS', NULL, 'money', NULL, '1986-01-07'), ('GQE', NULL, 'money', NULL, '1986-06-02'),
            ('GRD', 0, 'money', NULL, '2002-03-01'), ('GTQ', 2, 'money', NULL, NULL),
            ('GWE', NULL, 'money', NULL, '1976-02-29'), ('GWP', 2, 'money', NULL, '1997-04-01'),
            ('GYD', 2, 'money', NULL, NULL), ('HKD', 2, 'money', NULL, NULL), ('HNL', 2, 'money', NULL, NULL),
            ('HRD', NULL, 'money', NULL, '1995-01-02'), ('HRK', 2, 'money', NULL, '2023-01-15'),
            ('HTG', 2, 'money', NULL, NULL), ('HUF', 2, 'money', NULL, NULL), ('IDR', 2, 'money', NULL, NULL),
            ('IEP', 2, 'money', NULL, '2002-02-10'), ('ILP', NULL, 'money', NULL, '1980-02-23'),
            ('ILR', NULL, 'money', NULL, '1985-09-05'), ('ILS', 2, 'money', NULL, NULL),
            ('INR', 2, 'money', NULL, NULL), ('IQD', 3, 'money', NULL, NULL), ('IRR', 2, 'money', NULL, NULL),
            ('ISJ', NULL, 'money', NULL, '1981-01-02'), ('ISK', 0, 'money', NULL, NULL),
            ('ITL', 0, 'money', NULL, '2002-03-01'), ('JMD', 2, 'money', NULL, NULL),
            ('JOD', 3, 'money', NULL, NULL), ('JPY', 0, 'money', NULL, NULL), ('KES', 2, 'money', NULL, NULL),
            ('KGS', 2, 'money', NULL, NULL), ('KHR', 2, 'money', NULL, NULL), ('KMF', 0, 'money', NULL, NULL),
            ('KPW', 2, 'money', NULL, NULL), ('KRW', 0, 'money', NULL, NULL), ('KWD', 3, 'money', NULL, NULL),
            ('KYD', 2, 'money', NULL, NULL), ('KZT', 2, 'money', NULL, NULL),
            ('LAJ', NULL, 'money', NULL, '1980-01-01'), ('LAK', 2, 'money', NULL, NULL),
            ('LBP', 2, 'money', NULL, NULL), ('LKR', 2, 'money', NULL, NULL), ('LRD', 2, 'money', NULL, NULL),
            ('LSL', 2, 'money', NULL, NULL), ('LSM', NULL, 'money', NULL, '1985-06-01'),
            ('LTL', 2, 'money', NULL, '2015-01-01'), ('LTT', NULL, 'money', NULL, '1993-06-26'),
            ('LUC', NULL, 'money', NULL, '1990-04-01'), ('LUF', 0, 'money', NULL, '2002-03-01'),
            ('LUL', NULL, 'money', NULL, '1990-04-01'), ('LVL', 2, 'money', NULL, '2014-01-01'),
            ('LVR', NULL, 'money', NULL, '1993-10-18'), ('LYD', 3, 'money', NULL, NULL),
            ('MAD', 2, 'money', NULL, NULL), ('MDL', 2, 'money', NULL, NULL), ('MGA', 2, 'money', NULL, NULL),
            ('MGF', 0, 'money', NULL, '2005-01-01'), ('MKD', 2, 'money', NULL, NULL),
            ('MLF', NULL, 'money', NULL, '1984-09-01'), ('MMK', 2, 'money', NULL, NULL),
            ('MNT', 2, 'money', NULL, NULL), ('MOP', 2, 'money', NULL, NULL),
            ('MRO', 2, 'money', NULL, '2018-07-01'), ('MRU', 2, 'money', '2018-01-01', NULL),
            ('MTL', 2, 'money', NULL, '2008-02-01'), ('MTP', NULL, 'money', NULL, '1968-06-08'),
            ('MUR', 2, 'money', NULL, NULL), ('MVQ', NULL, 'money', NULL, '1990-01-01'),
            ('MVR', 2, 'money', NULL, NULL), ('MWK', 2, 'money', NULL, NULL), ('MXN', 2, 'money', NULL, NULL),
            ('MXP', NULL, 'money', NULL, '1993-01-01'), ('MXV', 2, 'fund', NULL, NULL),
            ('MYR', 2, 'money', NULL, NULL), ('MZE', NULL, 'money', NULL, '1980-06-17'),
            ('MZM', 2, 'money', NULL, '2007-01-01'), ('MZN', 2, 'money', NULL, NULL),
            ('NAD', 2, 'money', NULL, NULL), ('NGN', 2, 'money', NULL, NULL),
            ('NIC', NULL, 'money', NULL, '1991-05-01'), ('NIO', 2, 'money', NULL, NULL),
            ('NLG', 2, 'money', NULL, '2002-03-01'), ('NOK', 2, 'money', NULL, NULL),
            ('NPR', 2, 'money', NULL, NULL), ('NZD', 2, 'money', NULL, NULL), ('OMR', 3, 'money', NULL, NULL),
            ('PAB', 2, 'money', NULL, NULL), ('PEH', NULL, 'money', NULL, '1991-01-01'),
            ('PEI', NULL, 'money', NULL, '1991-07-02'), ('PEN', 2, 'money', NULL, NULL),
            ('PES', NULL, 'money', NULL, '1985-02-02'), ('PGK', 2, 'money', NULL, NULL),
            ('PHP', 2, 'money', NULL, NULL), ('PKR', 2, 'money', NULL, NULL), ('PLN', 2, 'money', NULL, NULL),
            ('PLZ', NULL, 'money', NULL, '1995-01-01'), ('PTE', 0, 'money', NULL, '2002-03-01'),
            ('PYG', 0, 'money', NULL, NULL), ('QAR', 2, 'money', NULL, NULL),
            ('RHD', NULL, 'money', NULL, '1980-04-19'), ('ROK', NULL, 'money', NULL, '1991-01-01'),
            ('ROL', 0, 'money', NULL, '2007-01-01'), ('RON', 2, 'money', NULL, NULL),
            ('RSD', 2, 'money', NULL, NULL), ('RUB', 2, 'money', NULL, NULL),
            ('RUR', 2, 'money', NULL, '1999-01-01'), ('RWF', 0, 'money', NULL, NULL),
            ('SAR', 2, 'money', NULL, NULL), ('SBD', 2, 'money', NULL, NULL), ('SCR', 2, 'money', NULL, NULL),
            ('SDD', 2, 'money', NULL, '2007-07-01'), ('SDG', 2, 'money', NULL, NULL),
            ('SDP', NULL, 'money', NULL, '1998-06-02'), ('SEK', 2, 'money', NULL, NULL),
            ('SGD', 2, 'money', NULL, NULL), ('SHP', 2, 'money', NULL, NULL),
            ('SIT', 2, 'money', NULL, '2007-01-15'), ('SKK', 2, 'money', NULL, '2009-01-02'),
            ('SLE', 2, 'money', '2022-07-01', NULL), ('SLL', 2, 'money', NULL, '2024-01-01'),
            ('SOS', 2, 'money', NULL, NULL), ('SRD', 2, 'money', NULL, NULL),
            ('SRG', 2, 'money', NULL, '2004-01-01'), ('SSP', 2, 'money', NULL, NULL),
            ('STD', 2, 'money', NULL, '2018-01-01'), ('STN', 2, 'money', '2018-01-01', NULL),
            ('SUR', NULL, 'money', NULL, '1992-10-02'), ('SVC', 2, 'money', NULL, NULL),
            ('SYP', 2, 'money', NULL, NULL), ('SZL', 2, 'money', NULL, NULL), ('THB', 2, 'money', NULL, NULL),
            ('TJR', NULL, 'money', NULL, '2000-10-26'), ('TJS', 2, 'money', NULL, NULL),
            ('TMM', 2, 'money', NULL, '2009-01-02'), ('TMT', 2, 'money', NULL, NULL),
            ('TND', 3, 'money', NULL, NULL), ('TOP', 2, 'money', NULL, NULL),
            ('TPE', 0, 'money', NULL, '2002-05-21'), ('TRL', 0, 'money', NULL, '2006-01-01'),
            ('TRY', 2, 'money', NULL, NULL), ('TTD', 2, 'money', NULL, NULL), ('TWD', 2, 'money', NULL, NULL),
            ('TZS', 2, 'money', NULL, NULL), ('UAH', 2, 'money', NULL, NULL),
            ('UAK', NULL, 'money', NULL, '1993-10-18'), ('UGS', NULL, 'money', NULL, '1987-05-16'),
            ('UGW', NULL, 'money', NULL, '1991-01-01'), ('UGX', 0, 'money', NULL, NULL),
            ('USD', 2, 'money', NULL, NULL), ('USN', 2, 'fund', NULL, NULL),
            ('USS', 2, 'fund', NULL, '2014-04-01'), ('UYI', 0, 'fund', NULL, NULL),
            ('UYN', NULL, 'money', NULL, '1990-01-01'), ('UYP', NULL, 'money', NULL, '1993-03-02'),
            ('UYU', 2, 'money', NULL, NULL), ('UYW', 4, 'unit', NULL, NULL), ('UZS', 2, 'money', NULL, NULL),
            ('VEB', 2, 'money', NULL, '2008-07-01'), ('VED', 2, 'money', '2021-10-01', NULL),
            ('VEF', 2, 'money', NULL, '2018-08-21'), ('VES', 2, 'money', '2018-08-20', NULL),
            ('VNC', NULL, 'money', NULL, '1991-01-01'), ('VND', 0, 'money', NULL, NULL),
            ('VUV', 0, 'money', NULL, NULL), ('WST', 2, 'money', NULL, NULL),
            ('XAD', 2, 'unit', '2025-05-12', NULL), ('XAF', 0, 'money', NULL, NULL),
            ('XAG', NULL, 'unit', NULL, NULL), ('XAU', NULL, 'unit', NULL, NULL),
            ('XBA', NULL, 'unit', NULL, NULL), ('XBB', NULL, 'unit', NULL, NULL),
            ('XBC', NULL, 'unit', NULL, NULL), ('XBD', NULL, 'unit', NULL, NULL),
            ('XCD', 2, 'money', NULL, NULL), ('XCG', 2, 'money', '2025-03-31', NULL),
            ('XDR', NULL, 'unit', NULL, NULL), ('XEU', NULL, 'unit', NULL, '1999-02-01'),
            ('XFO', NULL, 'unit', NULL, '2006-11-01'), ('XFU', NULL, 'fund', NULL, '2013-12-01'),
            ('XOF', 0, 'money', NULL, NULL), ('XPD', NULL, 'unit', NULL, NULL),
            ('XPF', 0, 'money', NULL, NULL), ('XPT', NULL, 'unit', NULL, NULL),
            ('XRE', NULL, 'fund', NULL, '1999-12-01'), ('XSU', NULL, 'unit', NULL, NULL),
            ('XTS', NULL, 'unit', NULL, NULL), ('XUA', NULL, 'unit', NULL, NULL),
            ('XXX', NULL, 'unit', NULL, NULL), ('YDD', NULL, 'money', NULL, '1996-01-02'),
            ('YER', 2, 'money', NULL, NULL), ('YUD', NULL, 'money', NULL, '1990-01-02'),
            ('YUM', 2, 'money', NULL, '2002-05-16'), ('YUN', NULL, 'money', NULL, '1992-07-25'),
            ('ZAL', NULL, 'money', NULL, '1995-04-01'), ('ZAR', 2, 'money', NULL, NULL),
            ('ZMK', 2, 'money', NULL, '2013-01-02'), ('ZMW', 2, 'money', NULL, NULL),
            ('ZRN', NULL, 'money', NULL, '1998-08-01'), ('ZRZ', NULL, 'money', NULL, '1993-11-02'),
            ('ZWC', NULL, 'money', NULL, '1990-01-01'), ('ZWD', 2, 'money', NULL, '2008-08-02'),
            ('ZWG', 2, 'money', '2024-06-25', NULL), ('ZWL', 2, 'money', NULL, '2024-09-01'),
            ('ZWN', 2, 'money', NULL, '2006-10-01'), ('ZWR', 2, 'money', NULL, '2009-02-03')
           ) AS c (code, digits, kind, from_day, until_day);
COMMENT ON VIEW analytics.currencies IS
    'The codes of ISO 4217 that the program knows (domain/currency.def): amount_minor / 10^digits is what people read.';
COMMENT ON COLUMN analytics.currencies.code IS 'The code.';
COMMENT ON COLUMN analytics.currencies.digits IS
    'How many digits of an amount stand behind the point; null: ISO gives none.';
COMMENT ON COLUMN analytics.currencies.kind IS
    'money; fund, or unit (metals, units of account, tests), which new orders may not have.';
COMMENT ON COLUMN analytics.currencies.from_day IS 'The first day (UTC) on which new orders may have it; null: always.';
COMMENT ON COLUMN analytics.currencies.until_day IS
    'The first day (UTC) on which they may no more; null: no end is known.';
GRANT SELECT ON analytics.currencies TO orderlog_owner, orderlog_analyst;

-- As it was, with the wallet's currency: sums over wallets are of one currency each.
CREATE OR REPLACE VIEW orderlog.ledger_entries AS
    SELECT m.customer_id, m.version, l.account, l.debit_minor, l.credit_minor, m.payment_id, m.cause,
           m.recorded_at, a.currency
      FROM (SELECT c.customer_id, c.version, c.payment_id, lower(c.kind) AS cause, c.amount_minor,
                   c.recorded_at,
                   CASE c.kind WHEN 'DEPOSIT' THEN 'external' WHEN 'WITHDRAW' THEN 'wallet'
                               ELSE 'revenue' END AS leaves,
                   CASE c.kind WHEN 'WITHDRAW' THEN 'external' ELSE 'wallet' END AS enters
              FROM orderlog.account_commands c
             WHERE c.kind IN ('DEPOSIT', 'WITHDRAW', 'REFUND')
            UNION ALL
            SELECT customer_id, charged_version, payment_id, 'charge', amount_minor, recorded_at,
                   'wallet', 'revenue'
              FROM orderlog.payments WHERE charged_version IS NOT NULL
            UNION ALL
            SELECT customer_id, reversed_version, payment_id, 'reverse', amount_minor - refunded_minor,
                   reversed_at, 'revenue', 'wallet'
              FROM orderlog.payments WHERE reversed_version IS NOT NULL
            UNION ALL
            SELECT customer_id, authorised_version, payment_id, 'authorise', amount_minor, recorded_at,
                   'wallet', 'held'
              FROM orderlog.payments WHERE authorised_version IS NOT NULL
            UNION ALL
            SELECT customer_id, captured_version, payment_id, 'capture', amount_minor, captured_at,
                   'held', 'revenue'
              FROM orderlog.payments WHERE captured_version IS NOT NULL
            UNION ALL
            SELECT customer_id, voided_version, payment_id, 'void', amount_minor, voided_at,
                   'held', 'wallet'
              FROM orderlog.payments WHERE voided_version IS NOT NULL AND authorised_version IS NOT NULL
           ) m
      LEFT JOIN orderlog.accounts a ON a.customer_id = m.customer_id,
           LATERAL (VALUES (m.leaves, m.amount_minor, 0::bigint), (m.enters, 0::bigint, m.amount_minor))
               AS l (account, debit_minor, credit_minor);
COMMENT ON COLUMN orderlog.ledger_entries.currency IS
    'ISO 4217 code of the wallet, and so of both legs; null: there is no such wallet.';

-- migrate:down
-- Views go with their schemas, in the files that made them.

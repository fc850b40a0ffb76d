#!/usr/bin/env bash
# kcat-json-bytes - two records that differ are the same in kcat's JSON, once anything has read it.
#
# What: kcat -J puts a payload's bytes into its JSON as they are. What is no UTF-8 is then no JSON; jq reads
#   it without a word and makes U+FFFD of it, so different payloads become one. Python refuses the line.
# Where: kcat 1.7.1, jq 1.6 (Debian 12), Kafka 4.2.2.
# Why: protobuf messages are such bytes: whoever compares or counts events by kcat | jq is wrong, quietly.
# So: `orderlog events tail` keeps kcat's envelope and decodes the payload: cli/events.c.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin kcat-json-bytes 'two records with different payloads are two different lines of valid JSON'
debian kcat 1.7.1-2
debian jq 1.6-2.1+deb12u1
kafka_start

# One byte each: the start of the protobuf field 16, and of the field 17.
printf '\x82' >"$TEMP/one"
printf '\x8a' >"$TEMP/other"
cat >"$TEMP/Topic.java" <<'JAVA'
import java.util.*;
import org.apache.kafka.clients.admin.*;

class Topic {
    public static void main(String[] args) throws Exception {
        try (var admin = Admin.create(Map.of("bootstrap.servers", (Object) args[0]))) {
            admin.createTopics(List.of(new NewTopic("log", 1, (short) 1))).all().get();
        }
    }
}
JAVA
java_run "$TEMP/Topic.java" "$BROKER" >"$TEMP/java.log" 2>&1
step kcat -P -b "$BROKER" -t log -p 0 "$TEMP/one" "$TEMP/other" 2>"$TEMP/kcat.log"
step kcat -C -b "$BROKER" -t log -p 0 -c 2 -e -J >"$TEMP/lines" 2>"$TEMP/kcat.log"
refused=0 jq_code=0
step jq -c .payload "$TEMP/lines" >"$TEMP/payloads" 2>"$TEMP/jq.log" || jq_code=$?
step python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1], "rb")]' "$TEMP/lines" \
    >"$TEMP/python.log" 2>&1 || refused=$?
lines=$(wc -l <"$TEMP/lines")
payloads=$(sort -u "$TEMP/payloads" | wc -l)
told="of $lines records jq (exit $jq_code) sees $payloads payload(s); Python's json ends with $refused"
[[ $lines == 2 && $jq_code == 0 && $payloads == 1 && $refused == 1 ]] || changed "$told"
seen "$told"

# shellcheck shell=bash
# bench/requests.sh - what the broker was asked, by its own request metrics. For bench/run.
#
# requests_open -> (the broker starts) -> requests -> requests_since.

# The broker, which inherits it, lets itself be asked on the loopback.
requests_open() {
    local jmx=com.sun.management.jmxremote host=127.0.0.1
    JMX_PORT=$(free_port)
    export JDK_JAVA_OPTIONS="-D$jmx.port=$JMX_PORT -D$jmx.rmi.port=$JMX_PORT -D$jmx.host=$host \
-Djava.rmi.server.hostname=$host -D$jmx.authenticate=false -D$jmx.ssl=false"
}

# requests: {"Fetch": {"count": 12, "bytes": 3456}, ...} since the broker's start; bytes of the requests,
# not of the answers.
requests() {
    local tools metrics=kafka.network:type=RequestMetrics,name=RequestBytes
    read -r tools <"$FOLDER/tools"
    java -cp "$tools" org.apache.kafka.tools.JmxTool --one-time --report-format tsv \
        --jmx-url "service:jmx:rmi:///jndi/rmi://127.0.0.1:$JMX_PORT/jmxrmi" \
        --object-name "$metrics,*" --attributes Count,Mean 2>"$LOG/jmx.log" |
        jq -Rnec '[inputs | capture("request=(?<kind>\\w+):(?<what>Count|Mean)\t(?<value>[0-9.E]+)")]
            | group_by(.kind)
            | map((map({(.what): (.value | tonumber)}) | add) as $of
                | select($of.Count > 0)
                | {(.[0].kind): {count: $of.Count, bytes: ($of.Count * $of.Mean | round)}})
            | add // error("the broker tells of no request")' 2>>"$LOG/jmx.log"
}

# requests_since EARLIER
requests_since() {
    local now
    now=$(requests) || return 1
    jq -nc --argjson from "$1" --argjson to "$now" '$to | with_entries(
        .value.count -= ($from[.key].count // 0) | .value.bytes -= ($from[.key].bytes // 0)
        | select(.value.count > 0))'
}

unasked() { failed 'the broker does not tell what it was asked' "$LOG/jmx.log"; }

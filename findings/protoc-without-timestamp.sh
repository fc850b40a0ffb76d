#!/usr/bin/env bash
# protoc-without-timestamp - the compiler's package does not bring the files that its language includes.
#
# What: protobuf-compiler only recommends libprotobuf-dev, which has google/protobuf/*.proto. On a machine
#   that installs no recommendations protoc runs, and cannot resolve google/protobuf/timestamp.proto.
# Where: protobuf-compiler 3.21.12 (Debian 12), from its unpacked package.
# Why: the build worked on every machine of ours and on no fresh image.
# So: deploy/local/install.sh names libprotobuf-dev.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin protoc-without-timestamp \
    'protoc with what it depends on compiles a file that imports google/protobuf/timestamp.proto'
unpack protobuf-compiler 3.21.12-3+deb12u1
unpack libprotoc32 3.21.12-3+deb12u1
unpack libprotobuf32 3.21.12-3+deb12u1

cat >"$TEMP/sale.proto" <<'PROTO'
syntax = "proto3";
package findings;
import "google/protobuf/timestamp.proto";
message Sale {
  google.protobuf.Timestamp at = 1;
}
PROTO
LD_LIBRARY_PATH=$(echo "$TEMP"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
compile_sale() {
    local code=0
    (cd "$TEMP" && step "$TEMP/root/usr/bin/protoc" --cpp_out=. sale.proto) >"$TEMP/$1.log" 2>&1 || code=$?
    printf '%s\n' "$code"
}
alone=$(compile_sale alone)
unpack libprotobuf-dev 3.21.12-3+deb12u1
both=$(compile_sale both)
deb=("$TEMP"/deb-protobuf-compiler/*.deb)
recommends=$(dpkg-deb -f "${deb[0]}" Recommends)
told="recommends $recommends; without it protoc ends with $alone ($(head -n 1 "$TEMP/alone.log")), "
told+="with it with $both"
[[ $alone == 1 && $both == 0 && $(<"$TEMP/alone.log") == *timestamp.proto*'not found'* ]] || changed "$told"
seen "$told"

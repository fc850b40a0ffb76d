#!/usr/bin/env bash
# protobuf-c-optional - the C plug-in refuses a schema that its own protoc takes.
#
# What: `optional` in proto3, which protoc has had by default since 3.15, ends protoc-c with 1.
# Where: protobuf-c-compiler 1.4.1, protobuf-compiler 3.21.12 (Debian 12).
# Why: one such field, added by whoever else owns the schema, stops the build of every C reader.
# So: presence is a oneof or a sub-message; proto/README.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin protobuf-c-optional 'what protoc compiles for C++ and Python, protoc-c compiles for C'
debian protobuf-compiler 3.21.12-3+deb12u1
debian protobuf-c-compiler 1.4.1-1+b1

cat >"$TEMP/line.proto" <<'PROTO'
syntax = "proto3";
package findings;
message Line {
  string sku = 1;
  optional int64 discount = 2;
}
PROTO
cd "$TEMP"
cpp=0 c=0
step protoc --cpp_out=. line.proto >cpp.log 2>&1 || cpp=$?
step protoc-c --c_out=. line.proto >c.log 2>&1 || c=$?
told="protoc --cpp_out ends with $cpp, protoc-c with $c: $(tr '\n' ' ' <c.log)"
[[ $cpp == 0 && $c == 1 && $(<c.log) == *optional* ]] || changed "$told"
seen "$told"

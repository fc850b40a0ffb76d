#!/usr/bin/env bash
# protobuf-c-nul - a text with a NUL in it is shorter after reading, and stays so when written again.
#
# What: U+0000 is valid in a proto3 string. protobuf-c unpacks it into a char * without a length, so "a\0b"
#   reads as "a"; packing what was unpacked writes "a". The Python runtime keeps all three characters.
# Where: protobuf-c 1.4.1 (Debian 12), protobuf 7.36.2 (Python).
# Why: two keys that differ for every other reader are one for a C reader.
# So: text is checked on the wire bytes before it is unpacked; proto/README.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
begin protobuf-c-nul 'unpack and pack give the same 5 bytes: field, length 3, "a", NUL, "b"'
debian libprotobuf-c-dev 1.4.1-1+b1
debian protobuf-c-compiler 1.4.1-1+b1
debian protobuf-compiler 3.21.12-3+deb12u1
venv protobuf==7.36.2

cat >"$TEMP/line.proto" <<'PROTO'
syntax = "proto3";
package findings;
message Line {
  string sku = 1;
}
PROTO
(cd "$TEMP" && step protoc-c --c_out=. line.proto && step protoc --descriptor_set_out=line.pb line.proto)
cat >"$TEMP/again.py" <<'PYTHON'
import sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

files = descriptor_pb2.FileDescriptorSet.FromString(open(sys.argv[1], "rb").read())
pool = descriptor_pool.DescriptorPool()
pool.Add(files.file[0])
Line = message_factory.GetMessageClass(pool.FindMessageTypeByName("findings.Line"))
print(Line.FromString(Line(sku="a\0b").SerializeToString()).SerializeToString().hex())
PYTHON
compile show "$TEMP/line.pb-c.c" -lprotobuf-c <<'C'
#include "line.pb-c.h"

#include <stdio.h>

int main(void)
{
    const uint8_t wire[] = {0x0a, 3, 'a', 0, 'b'};
    uint8_t again[16];
    Findings__Line *line = findings__line__unpack(NULL, sizeof wire, wire);
    if (!line)
        return 2;
    size_t size = findings__line__pack(line, again);
    for (size_t i = 0; i < size; i++)
        printf("%02x", again[i]);
    puts("");
    findings__line__free_unpacked(line, NULL);
}
C
step "$PYTHON" "$TEMP/again.py" "$TEMP/line.pb" >"$TEMP/python" 2>"$TEMP/python.log"
step "$TEMP/show" >"$TEMP/c" 2>"$TEMP/c.log"
told="0a03610062 comes back as $(<"$TEMP/c") from protobuf-c, as $(<"$TEMP/python") from Python"
[[ $(<"$TEMP/c") == 0a0161 && $(<"$TEMP/python") == 0a03610062 ]] || changed "$told"
seen "$told"

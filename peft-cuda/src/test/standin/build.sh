#!/usr/bin/env bash
# Builds the stand-in libcuda.so.1 into the folder given. Undefined behaviour in a kernel (an index
# past a shared array, a misaligned vector, an overflowing shift) traps and ends its launch.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="$1"
mkdir -p "$out"
checks=bounds,alignment,shift,signed-integer-overflow,integer-divide-by-zero
flags=(-std=c++17 -O1 -fPIC -fvisibility=hidden -ffp-contract=off -pthread -Wall -Wextra -Werror
  -Wno-unknown-pragmas -Wno-unused-function -I"$here")
if [ "$(uname -m)" = x86_64 ]; then flags+=(-mfma); fi
compile() { g++ "${flags[@]}" "${@:2}" -c "$1" -o "$out/$(basename "$1").o"; }
running=()
for source in "$here"/../../main/cuda/*.cu "$here"/*.cu; do
  compile "$source" -x c++ -fsanitize="$checks" -fsanitize-undefined-trap-on-error &
  running+=($!)
done
for source in "$here"/*.cpp; do
  compile "$source" &
  running+=($!)
done
for one in "${running[@]}"; do wait "$one"; done
g++ -shared -pthread -Wl,-soname,libcuda.so.1 -o "$out/libcuda.so.1" "$out"/*.o

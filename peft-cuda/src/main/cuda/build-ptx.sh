#!/usr/bin/env bash
# Rebuilds the PTX in the resources from the sources beside this script, or into the folder given.
# Needs nvcc (12 or later). The ISA version is lowered to 8.0, the newest that drivers since CUDA 12.0
# take; the kernels use nothing newer, which the tests prove by assembling every file at that version.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/../resources/io/peft4j/cuda/ptx}"
mkdir -p "$out/compute_75" "$out/compute_80"
out="$(cd "$out" && pwd)"
(cd "$here" && sha256sum -- *.cu *.cuh) >"$out/sources.sha256"
nvcc --version | grep -o 'V[0-9.]*$' >"$out/nvcc.version"
build() {
  set -euo pipefail
  # comments name nvcc's build and differ from release to release; names of what is local to a file
  # hold hashes of its path
  nvcc -ptx -arch="compute_$2" -std=c++17 -O3 "$1" -o - |
    sed -e 's/^\.version .*/.version 8.0/' -e '/^\/\//d' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*\/\/.*$//' |
    sed -E 's/_[0-9a-f]{8}_([0-9]+_[a-z0-9_]+_cu)_[0-9a-f]{8}/_00000000_\1_00000000/g' |
    gzip -9n >"$3/compute_$2/$(basename "$1" .cu).ptx.gz"
}
export -f build
for target in 75 80; do printf "%s $target $out\n" "$here"/*.cu; done |
  xargs -P "$(nproc)" -L 1 bash -c 'build "$@"' build

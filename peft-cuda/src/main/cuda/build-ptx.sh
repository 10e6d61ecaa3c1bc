#!/usr/bin/env bash
# Rebuilds the PTX in the resources from the sources beside this script, or into the folder given.
# Needs nvcc (12 or later). The ISA version is lowered to 8.0, the newest that drivers since CUDA 12.0
# take; the kernels use nothing newer, which the tests prove by assembling every file at that version.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
out="${1:-$here/../resources/io/peft4j/cuda/ptx}"
mkdir -p "$out"
(cd "$here" && sha256sum -- *.cu *.cuh) >"$out/sources.sha256"
nvcc --version | grep -o 'V[0-9.]*$' >"$out/nvcc.version"
for target in 75 80; do
  mkdir -p "$out/compute_$target"
  for source in "$here"/*.cu; do
    name="$(basename "$source" .cu)"
    # comments name nvcc's build and differ from release to release
    nvcc -ptx -arch="compute_$target" -std=c++17 -O3 "$source" -o - |
      sed -e 's/^\.version .*/.version 8.0/' -e '/^\/\//d' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*\/\/.*$//' |
      gzip -9n >"$out/compute_$target/$name.ptx.gz"
  done
done

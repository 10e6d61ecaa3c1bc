#!/usr/bin/env bash
# Checks and times every kernel on this machine's GPU, beside torch and bitsandbytes.
#   bench.sh CLASSPATH [PYTHON]
# CLASSPATH holds peft-cuda and what it needs (docs/gpu.md says how to collect it), PYTHON has torch.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
classpath="${1:?usage: bench.sh CLASSPATH [PYTHON]}"
python="${2:-python3}"
report="$(mktemp)"
trap 'rm -f "$report"' EXIT
"${JAVA:-java}" -Xmx4g -cp "$classpath" io.peft4j.cuda.GpuDoctor --bench | tee "$report"
"$python" "$here/compare.py" "$report"

#!/usr/bin/env bash
# Checks and times every kernel on this machine's GPU, beside torch and bitsandbytes, then a QLoRA step
# beside Hugging Face's peft, where Python has transformers, peft and bitsandbytes.
#   bench.sh PEFT_JAR [PYTHON]      PEFT_JAR is peft-examples/target/peft.jar, PYTHON has torch
# Exits with 0 if all was measured, 1 if a kernel is wrong or a step failed, 2 without a usable GPU.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
jar="${1:?usage: bench.sh PEFT_JAR [PYTHON]}"
python="${2:-python3}"
java="${JAVA:-java}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"$java" -Xmx4g -cp "$jar" io.peft4j.cuda.GpuDoctor --bench | tee "$work/report"
if grep -q '^Everything runs on the CPU' "$work/report"; then
  echo "bench.sh: no usable GPU on this machine, so nothing was measured"
  exit 2
fi
"$python" "$here/compare.py" "$work/report"

if ! "$python" -c 'import transformers, peft, bitsandbytes' 2>"$work/missing"; then
  echo "bench.sh: the QLoRA step is left out: $(tail -n 1 "$work/missing")"
  exit 0
fi
echo "QLoRA step, 1.2 billion random parameters, NF4 with double quantization, 4 rows of 512 tokens"
"$python" "$here/qlora_step.py" make "$work/model" "$work/rows.jsonl" >/dev/null
echo "Hugging Face peft:"
"$python" "$here/qlora_step.py" run "$work/model" "$work/rows.jsonl"
echo "peft4j:"
"$java" -Xmx4g -jar "$jar" bench-causal --device cuda --model "$work/model" --examples "$work/rows.jsonl" \
  --batch 4 --steps 20 --warmup 5 --bf16 --quantization nf4 --double-quant

#!/bin/bash
# What a GPU can tell in one call: OUT=folder bash tests/benchmarks/gpu.sh. See docs/gpu.md.
# It ends by itself END seconds after its start. TINY=1 rehearses it on a CPU.
set -u
cd "$(dirname "$0")/../.." || exit 1
export STARTED_AT=$EPOCHSECONDS END_AT=$((EPOCHSECONDS + ${END:-555})) TINY=${TINY:-}
WORK=${WORK:-/tmp/ratbench-gpu}
if [ -n "$TINY" ]; then
  WORK=$(mktemp -d) PACK=${PACK:-no-pack}
  trap 'rm -rf "$WORK"' EXIT
fi
OUT=$(realpath -m "${OUT:-gpu-out}") PACK=$(realpath -m "${PACK:-gpu-pack}")
export OUT PACK WORK OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
export PYTHONPATH=$WORK/site:$PWD${PYTHONPATH:+:$PYTHONPATH} XDG_CACHE_HOME=$WORK/cache
export TORCHINDUCTOR_CACHE_DIR=$WORK/inductor TRITON_CACHE_DIR=$WORK/triton TORCHINDUCTOR_COMPILE_THREADS=2
mkdir -p "$OUT" "$WORK"
rm -f "$OUT/gpu.json"
python=${PYTHON:-python3}
if [ -d "$PACK" ]; then
  cp -r "$PACK/data" "$WORK"  # preprocessed images are cached beside them
  export RATBENCH_DATA=$WORK/data
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade \
    --target "$WORK/site" -c constraints.txt "$PACK"/wheels/*.whl
fi
timeout -k 2 $((END_AT - EPOCHSECONDS + 1)) "$python" -m tests.benchmarks.gpu.conduct 2>&1 | tee "$OUT/log.txt"

#!/usr/bin/env bash
# Measures everything that docs/gpu.md lists, in three parts of at most ten minutes each: run.sh PART OUT
# A command that fails does not stop the part; OUT/exit-codes.tsv lists the exit code and seconds of each.
set -u
part=${1:?1, 2 or 3} out=${2:?a folder} python=${PYTHON:-python}
cd "$(dirname "$0")/../.." || exit 2
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2

# run NAME SECONDS COMMAND...: an interrupt at the limit, so that a sweep stores what it has.
run() {
    local name=$1 seconds=$2 begin=$SECONDS code
    shift 2
    printf '== %s: %s\n' "$name" "$*"
    timeout --signal=INT --kill-after=20 "$seconds" "$@" >"$out/$name.log" 2>&1
    code=$?
    printf '%s\t%s\t%s s\t%s\n' "$name" "$code" "$((SECONDS - begin))" "$*" >>"$out/exit-codes.tsv"
    tail -n 3 "$out/$name.log"
}
sweep() {
    local name=$1 seconds=$2
    shift 2
    run "$name" "$seconds" "$python" -m pytest benchmarks --benchmark-autosave \
        --benchmark-storage="file://$out/runs/$name" "$@"
}
stored() { find "$out/runs/$1" -name '*.json' 2>/dev/null | sort | tail -n 1; }

case $part in
1) # the default sweep (1), the tests that need a GPU (2, 4)
    sweep default 480 --bench-device cpu,cuda --bench-max-time 0.4
    run gpu-tests 100 "$python" -m pytest tests -m gpu -q -rs
    ;;
2) # the default sweep again (7), more batches around the crossovers (8)
    sweep again 440 --bench-device cpu,cuda --bench-max-time 0.4
    run repeatability 20 "$python" benchmarks/proofs/repeatability.py "$(stored default)" "$(stored again)"
    sweep dense 60 --bench-max-time 0.2 --bench-workload mlp_train,ann_train,cnn_mnist_train \
        --bench-batch-size 4,32,128,256,1024,2048,8192
    sweep dense-lstm 30 --bench-device cuda --bench-max-time 0.1 --bench-workload lstm_ar_train \
        --bench-batch-size 128,512,1024,4096
    sweep dense-lstm-cpu 30 --bench-device cpu --bench-max-time 0.1 --bench-workload lstm_ar_train \
        --bench-batch-size 128,512,1024,4096
    ;;
3) # truth (3), graphs at all batch sizes (6), the other variants and dtypes (5, 4)
    run truth 150 "$python" -m pytest benchmarks/proofs/test_8_gpu.py -q
    sweep graphs 80 --bench-device cuda --bench-max-time 0.2 --bench-variant cuda_graph \
        --bench-workload mlp_train,mlp_infer,ann_train,cnn_mnist_train,lstm_ar_train,gan_step,resblock_identity
    sweep variants 340 --bench-device cuda --bench-max-time 0.2 --bench-dtype fp32,tf32,bf16 \
        --bench-variant eager,channels_last,compile,cuda_graph --bench-batch-size 16,1024 \
        --bench-workload mlp_train,cnn_mnist_train,resblock_identity
    ;;
*)
    echo "part $part: there are 1, 2 and 3" >&2
    exit 2
    ;;
esac
cat "$out/exit-codes.tsv"

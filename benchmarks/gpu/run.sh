#!/usr/bin/env bash
# Measures everything that docs/gpu.md lists, in eight parts of at most ten minutes each: run.sh PART OUT
# A command that fails does not stop the part; OUT/exit-codes.tsv lists the exit code and seconds of each. The part's
# own exit code is 1 if a command failed.
#
# PYTHON: the interpreter. BENCH_OPTIONS: options added to every sweep, such as another --bench-max-time.
# SLOWER: a whole number by which time limits are multiplied, on a slower machine.
set -u
part=${1:?1 to 8} out=${2:?a folder} python=${PYTHON:-python3} slower=${SLOWER:-1} failed=0
read -ra more <<<"${BENCH_OPTIONS:-}"
cd "$(dirname "$0")/../.." || exit 2
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2

# run NAME SECONDS COMMAND...: an interrupt at the limit, so that a sweep stores what it has.
run() {
    local name=$1 limit=$(($2 * slower)) begin=$SECONDS code
    shift 2
    printf '== %s: %s\n' "$name" "$*"
    timeout --signal=INT --kill-after=20 "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    ((code == 0)) || failed=1
    printf '%s\t%s\t%s s\t%s\n' "$name" "$code" "$((SECONDS - begin))" "$*" >>"$out/exit-codes.tsv"
    tail -n 3 "$out/$name.log"
}
# sweep NAME MINUTES TESTS OPTION...: a sweep that ends within so many minutes; a minute more before it is interrupted.
sweep() {
    local name=$1 minutes=$2 tests=$3
    shift 3
    run "$name" $((60 * minutes + 60)) "$python" -m pytest "$tests" --benchmark-autosave \
        --benchmark-storage="file://$out/runs/$name" --bench-budget "$minutes" "$@" "${more[@]}"
}
stored() { find "$out/runs/$1" -name '*.json' 2>/dev/null | sort | tail -n 1; }

case $part in
1) # the default sweep (1)
    sweep default 8 benchmarks --bench-device cpu,cuda
    ;;
2) # the default sweep again (7)
    sweep again 8 benchmarks --bench-device cpu,cuda
    run repeatability 20 "$python" benchmarks/proofs/repeatability.py "$(stored default)" "$(stored again)"
    ;;
3) # the tests that need a GPU (2, 4), truth (3)
    run gpu-tests 260 "$python" -m pytest tests -m gpu -q -rs --continue-on-collection-errors
    run truth 300 "$python" -m pytest benchmarks/proofs/test_8_gpu.py -q -rs
    ;;
4) # graphs at all batch sizes (6), the other variants and dtypes (5, 4)
    sweep graphs 2 benchmarks/test_workloads.py --bench-device cuda --bench-variant cuda_graph \
        --bench-workload mlp_train,mlp_infer,ann_train,cnn_mnist_train,lstm_ar_train,gan_step,resblock_identity
    sweep variants 5 benchmarks/test_workloads.py --bench-device cuda \
        --bench-dtype fp32,tf32,bf16 --bench-variant eager,channels_last,compile,cuda_graph \
        --bench-batch-size 16,1024 --bench-workload mlp_train,cnn_mnist_train,resblock_identity
    ;;
5) # more batches around the crossovers (8)
    sweep dense 4 benchmarks/test_workloads.py --bench-batch-size 4,32,128,256,1024,2048,8192 \
        --bench-workload mlp_train,ann_train,cnn_mnist_train
    sweep dense-lstm 2 benchmarks/test_workloads.py --bench-batch-size 128,512,1024,4096 \
        --bench-workload lstm_ar_train
    ;;
6) # what only a full sweep has: time to accuracy (9), the loaders of an epoch (10)
    # (with a few cases, as studies alone are not stored)
    sweep learning 4 benchmarks --bench-sweep full --bench-study learning --bench-batch-size 64 \
        --bench-workload mlp_train,cnn_mnist_train,resnet20_cifar_train
    sweep loaders 3 benchmarks/test_workloads.py --bench-sweep full --bench-device cuda \
        --bench-workload mnist_epoch_e2e
    ;;
7) # the full sweep on the GPU, as far as it gets (10)
    sweep full 8 benchmarks/test_workloads.py --bench-sweep full --bench-device cuda
    ;;
8) # tunings (5), energy and kernels in processes of their own (11), the gate on identical code (12)
    sweep tuned 2 benchmarks/test_workloads.py --bench-device cuda \
        --bench-variant eager,fused,cudnn_benchmark,compile+max_autotune --bench-batch-size 16,256 \
        --bench-workload mlp_train,cnn_mnist_train,resnet50_train
    sweep energy 2 benchmarks/test_workloads.py --bench-device cuda --bench-energy --bench-kernels --bench-isolate \
        --bench-workload gemm,mlp_train,resnet50_infer
    run gate 200 "$python" -m bench_core gate --base-python "$(command -v "$python")" --budget 2 \
        --json "$out/gate.json" benchmarks/test_workloads.py --bench-device cuda \
        --bench-workload mlp_train,gan_step --bench-batch-size 64,1024 "${more[@]}"
    ;;
*)
    echo "part $part: there are 1 to 8" >&2
    exit 2
    ;;
esac
cat "$out/exit-codes.tsv"
exit "$failed"

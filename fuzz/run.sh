#!/usr/bin/env bash
# Fuzzes every target for so many seconds: fuzz/run.sh [SECONDS] [TARGET...]. Builds them once, runs as
# many side by side as there are processors, and fails if one of them finds something; its input is then
# in target/fuzz/found.
#
# It needs no nightly compiler and no cargo-fuzz: the marks that tell libFuzzer where a run has been come
# from LLVM, and stable rustc hands on what turns them on. Memory errors are not looked for, since the
# house forbids unsafe code; panics, overflows, failed assertions, hangs and memory without bound are.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in fuzz/fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

host=$(rustc -vV | awk '/^host:/ { print $2 }')
out="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
# What is fuzzed is what ships, in the same versions.
cp Cargo.lock fuzz/Cargo.lock
# With --target, build scripts and macros are built without the marks.
CARGO_TARGET_DIR="$out" RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --manifest-path fuzz/Cargo.toml --release --target "$host"

# fuzz_one TARGET: what libFuzzer finds worth keeping stays in target/fuzz/corpus for the next run.
fuzz_one() {
    local target=$1 log="$out/$1.log"
    mkdir -p "$out/corpus/$target" "$out/found"
    if "$out/$host/release/$target" -max_total_time="$seconds" -max_len=16384 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$out/found/$target-" \
        "$out/corpus/$target" "fuzz/seeds/$target" >"$log" 2>&1; then
        awk -v target="$target" '/number_of_executed_units/ { runs = $2 } /cov:/ { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
            END { printf "%-10s %9d runs, %5d places reached\n", target, runs, cov }' "$log"
    else
        printf '%s found something:\n' "$target"
        tail -n 40 "$log"
        return 1
    fi
}
export -f fuzz_one
export out host seconds
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz_one {}'

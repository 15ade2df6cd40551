/** Limits of control groups, from directories as the kernel lays them out. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cgroupLimit } from "../../src/llm/memory/cgroup.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "edgewise-cgroup-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function file(name: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
  writeFileSync(path.join(root, name), text);
}

test("version 2: the smallest from the group up to the root", () => {
  file("proc/self/cgroup", "0::/system.slice/run-1.scope\n");
  file("sys/fs/cgroup/system.slice/run-1.scope/memory.max", "max\n");
  expect(cgroupLimit(root)).toBeUndefined();
  file("sys/fs/cgroup/system.slice/memory.max", "314572800\n");
  expect(cgroupLimit(root)).toBe(314572800);
  file("sys/fs/cgroup/system.slice/run-1.scope/memory.max", "272629760\n");
  expect(cgroupLimit(root)).toBe(272629760);
});

test("version 1, beside an empty version 2", () => {
  file("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/jobs/7\n0::/\n");
  file("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  file("sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", "9223372036854771712\n");
  expect(cgroupLimit(root)).toBeUndefined();
  file("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "268435456\n");
  expect(cgroupLimit(root)).toBe(268435456);
});

test("a container that sees its own group as the root, under the host's path", () => {
  file("proc/self/cgroup", "4:memory:/docker/0123abcd\n");
  file("sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
  expect(cgroupLimit(root)).toBe(104857600);
});

test("none: no Linux, or no controller", () => {
  expect(cgroupLimit(root)).toBeUndefined();
  file("proc/self/cgroup", "3:cpuset:/\n");
  expect(cgroupLimit(root)).toBeUndefined();
});

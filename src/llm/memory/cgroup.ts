/** The memory limit of the control group that this process is in, such as a container's. Versions 1 and 2: man 7 cgroups. */
import { readFileSync } from "node:fs";
import path from "node:path";

/** Version 1 writes "no limit" as the largest multiple of a page. */
const NO_LIMIT = 2 ** 60;
const MOUNT = "sys/fs/cgroup";

/**
 * The smallest limit from the process's own group up to the root, in bytes; undefined where there is none, or no control groups. A container
 * may see its own group as the root, under the path that it has outside. `root`: of the file system.
 */
export function cgroupLimit(root = "/"): number | undefined {
  const limits = groupsOf(root)
    .flatMap(({ mount, group, file }) => upwards(group).map((each) => path.join(root, mount, each, file)))
    .map((file) => Number.parseInt(read(file), 10)) // version 2 writes "max"
    .filter((bytes) => bytes < NO_LIMIT);
  return limits.length ? Math.min(...limits) : undefined;
}

/** From /proc/self/cgroup: `id:controllers:group`; version 2 has id 0 and names no controllers. */
function groupsOf(root: string): { mount: string; group: string; file: string }[] {
  const lines = read(path.join(root, "proc/self/cgroup")).split("\n");
  return lines.flatMap((line) => {
    const [, id, controllers, group] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (id === "0" && controllers === "") return [{ mount: MOUNT, group, file: "memory.max" }];
    if (!controllers?.split(",").includes("memory")) return [];
    return [{ mount: path.join(MOUNT, "memory"), group, file: "memory.limit_in_bytes" }];
  });
}

/** `/a/b`, `/a`, `/`. */
function upwards(group: string): string[] {
  const above = path.posix.dirname(group);
  return above === group ? [group] : [group, ...upwards(above)];
}

/** Empty where it is not there: no Linux, or not mounted. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

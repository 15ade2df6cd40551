/** What the machine does beside this process. */
import os from "node:os";

/** Counts from when it is made. */
export class Neighbours {
  private readonly began = performance.now();
  private readonly idle = idleSeconds();
  private readonly own = ownSeconds();

  /** Mean number of cores that other processes have kept busy; null where the operating system does not tell. */
  get cores(): number | null {
    const seconds = (performance.now() - this.began) / 1000;
    const idle = idleSeconds();
    if (this.idle === null || idle === null || seconds === 0) return null;
    const busy = os.cpus().length * seconds - (idle - this.idle);
    return Math.max(0, (busy - (ownSeconds() - this.own)) / seconds);
  }
}

/** Of all cores together, since the machine began. */
function idleSeconds(): number | null {
  const cpus = os.cpus();
  const idle = cpus.reduce((sum, { times }) => sum + times.idle, 0) / 1000;
  return idle > 0 ? idle : null;
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/**
 * A model of how threads meet (kernels/threads.ts, the executor's way through a run, src/engine/host/worker.ts and node.ts): every access
 * to a shared word is a step of its own, threads take steps in any order, a wait may end at any moment, and the host may abort, take the
 * abort back, and read messages in any order. All states that can be reached are looked at.
 */

/** What can go wrong, so many times in all. */
export interface Incidents {
  readonly aborts?: number;
  /** Times that the host takes an abort back while threads are at work. */
  readonly clears?: number;
  readonly failures?: number;
  readonly traps?: number;
  /** Runs that one thread alone refuses. */
  readonly refusals?: number;
  /** Calls of thread 0 that trap without having sent anybody to work. */
  readonly trappingCalls?: number;
}

/** Faults that were there once: the model must find each. */
export interface Faults {
  /** A sleep sets the barrier's count of arrivals to 0 (V8 11.3's baseline code). */
  readonly sleepLosesLocal?: boolean;
  /** A sleep of thread 0 for its helpers sets its status to 0 (the same). */
  readonly sleepLosesStatus?: boolean;
  /** An abort is not written where all threads of the run look. */
  readonly abortForgotten?: boolean;
  /** A thread that refuses a run does not leave it. */
  readonly refusalStays?: boolean;
  /** The host does not wait for the words of a trap. */
  readonly wordsNotAwaited?: boolean;
  /** Every thread that fails completes the error record. */
  readonly recordOverwritten?: boolean;
  /** Before the first command helpers count as at work. */
  readonly helpersNeverDone?: boolean;
}

export interface Model extends Incidents {
  readonly threads: number;
  readonly runs: number;
  /** Parts of a run between barriers. */
  readonly segments: number;
  readonly faults?: Faults;
}

export interface Verdict {
  readonly states: number;
  /** What is wrong, with the steps that lead there; undefined where the protocol holds. */
  readonly wrong?: string;
}

const [DONE, ABORTED, FAILED] = [0, 2, 3];
const [NO_ERROR, KERNEL_ERROR, TRAP] = [0, 1, 2];

/** A thread's place in its program. */
const At = {
  Idle: 0,
  SetAtWork: 1,
  SendCommand: 2,
  CheckRun: 3,
  LookForAbort: 4,
  WriteAbort: 5,
  LookForStop: 6,
  Work: 7,
  Arrive: 8,
  Compare: 9,
  BarrierAbort: 10,
  BarrierWriteAbort: 11,
  BarrierStop: 12,
  Sleep: 13,
  Reload: 14,
  Claim: 15,
  Tag: 16,
  Stop: 17,
  Complete: 18,
  Leave: 19,
  ClearArrived: 20,
  ClearStop: 21,
  ClearLeft: 22,
  End: 23,
  TrapRecord: 24,
  TrapWords: 25,
  TrapCount: 26,
  TrapStop: 27,
  TrapEnd: 28,
  AwaitHelpers: 29,
  Answer: 30,
  Answered: 31,
} as const;
type At = (typeof At)[keyof typeof At];

/** One thread: place, segment, arrivals seen, arrivals needed, status, segments done, command seen. */
interface Thread {
  at: At;
  segment: number;
  arrived: number;
  all: number;
  status: number;
  done: number;
  seen: number;
}

interface State {
  arrived: number;
  stop: number;
  left: number;
  abort: number;
  command: number;
  atWork: number;
  traps: number;
  /** Error record: its code, whose values it has, whose tag, whose place (thread + 1). */
  code: number;
  owner: number;
  tag: number;
  place: number;
  /** Main thread: run number, traps whose words were sent and read, whether thread 0 has answered and with how many traps. */
  run: number;
  calling: number;
  sent: number;
  read: number;
  answered: number;
  counted: number;
  /** Of this run: bit 0 a thread has failed or refused, bit 1 one has trapped. */
  happened: number;
  aborts: number;
  clears: number;
  failures: number;
  trapsLeft: number;
  refusals: number;
  trappingCalls: number;
  threads: Thread[];
}

class Wrong extends Error {}

/** A copy of a state with some of its words changed, and of one of its threads. */
function next(state: State, changes: Partial<State>, thread = -1, own: Partial<Thread> = {}): State {
  const threads =
    thread < 0 ? state.threads : state.threads.map((t, i) => (i === thread ? { ...t, ...own } : t));
  return { ...state, ...changes, threads };
}

function first({ threads, faults = {}, ...incidents }: Model): State {
  const thread: Thread = { at: At.Idle, segment: 0, arrived: 0, all: 0, status: DONE, done: 0, seen: 0 };
  return {
    arrived: 0,
    stop: DONE,
    left: 0,
    abort: 0,
    command: 0,
    atWork: faults.helpersNeverDone ? threads - 1 : 0,
    traps: 0,
    code: NO_ERROR,
    owner: 0,
    tag: 0,
    place: 0,
    run: 0,
    calling: 0,
    sent: 0,
    read: 0,
    answered: 0,
    counted: 0,
    happened: 0,
    aborts: incidents.aborts ?? 0,
    clears: incidents.clears ?? 0,
    failures: incidents.failures ?? 0,
    trapsLeft: incidents.traps ?? 0,
    refusals: incidents.refusals ?? 0,
    trappingCalls: incidents.trappingCalls ?? 0,
    threads: Array.from({ length: threads }, () => ({ ...thread })),
  };
}

/** Every state that one step leads to. Throws Wrong where a promise is broken. */
function successors(state: State, model: Model): [string, State][] {
  const steps = [...hostSteps(state, model)];
  for (let t = 0; t < model.threads; t++) {
    for (const [label, to] of threadSteps(state, t, model)) steps.push([`${t} ${label}`, to]);
  }
  return steps;
}

/** The main thread: begins a run or a call, aborts, reads messages, settles. */
function* hostSteps(state: State, model: Model): Generator<[string, State]> {
  const { faults = {} } = model;
  if (!state.calling && state.run < model.runs) {
    const call = {
      calling: 1,
      abort: 0,
      sent: 0,
      read: 0,
      answered: 0,
      happened: 0,
      code: NO_ERROR,
      owner: 0,
      tag: 0,
      place: 0,
    };
    yield ["host: run", next(state, { ...call, run: state.run + 1 }, 0, { at: At.SetAtWork })];
    if (state.trappingCalls) {
      const trapping = { ...call, happened: 2, trappingCalls: state.trappingCalls - 1 };
      yield [
        "host: a call that traps",
        next(state, trapping, 0, { at: At.TrapRecord, done: model.segments }),
      ];
    }
  }
  if (state.calling && state.aborts && !state.abort)
    yield ["host: abort", next(state, { abort: 1, aborts: state.aborts - 1 })];
  if (state.abort && state.clears)
    yield ["host: abort taken back", next(state, { abort: 0, clears: state.clears - 1 })];
  if (state.read < state.sent)
    yield ["host: reads the words of a trap", next(state, { read: state.read + 1 })];
  const isComplete = faults.wordsNotAwaited || state.read >= state.counted;
  if (state.calling && state.answered && isComplete) yield ["host: settles", settle(state, model)];
}

/** What the host makes of an answer; a poisoned host is opened again. */
function settle(state: State, { segments }: Model): State {
  const { status } = state.threads[0];
  const trapped = state.happened & 2;
  if (trapped && !state.read) throw new Wrong("a thread has trapped and the host works on");
  if (!trapped && state.happened & 1 && status === DONE) throw new Wrong("a failure is reported as done");
  if (!trapped && status === DONE && state.threads.some(({ done }) => done < segments))
    throw new Wrong("a run is done, but not every thread has done its part");
  if (!trapped && status === FAILED && (!state.code || state.owner !== state.place))
    throw new Wrong("the error record has the values of one thread and the place of another");
  const opened = trapped ? { arrived: 0, stop: DONE, left: 0, atWork: 0 } : {};
  return next(state, { ...opened, calling: 0, answered: 0, abort: 0 }, 0, { at: At.Idle });
}

function* threadSteps(state: State, t: number, model: Model): Generator<[string, State]> {
  const me = state.threads[t];
  const { threads, segments, faults = {} } = model;
  const go = (label: string, own: Partial<Thread>, changes: Partial<State> = {}): [string, State] => [
    label,
    next(state, changes, t, own),
  ];
  switch (me.at) {
    case At.Idle:
      if (t > 0 && state.command !== me.seen)
        yield go("takes the command", { at: At.CheckRun, seen: state.command });
      return;
    case At.SetAtWork:
      yield go("helpers are at work", { at: At.SendCommand }, { atWork: threads - 1 });
      return;
    case At.SendCommand:
      yield go("sends the command", { at: At.CheckRun }, { command: state.command + 1 });
      return;
    case At.CheckRun: {
      const begun = { segment: 0, status: DONE, done: 0 };
      yield go("begins", { at: At.LookForAbort, ...begun });
      if (!state.refusals) return;
      const refused = { refusals: state.refusals - 1, happened: state.happened | 1 };
      yield go("refuses", { at: faults.refusalStays ? At.End : At.Claim, ...begun, status: FAILED }, refused);
      return;
    }
    case At.LookForAbort:
      if (!state.abort) yield go("sees no abort", { at: At.LookForStop });
      else if (faults.abortForgotten) yield go("sees the abort", { at: At.Leave, status: ABORTED });
      else yield go("sees the abort", { at: At.WriteAbort });
      return;
    case At.WriteAbort:
      yield go("stops all", { at: At.LookForStop }, { stop: state.stop || ABORTED });
      return;
    case At.LookForStop:
      if (state.stop) yield go("sees the stop", { at: At.Leave, status: state.stop });
      else yield go("goes on", { at: At.Work });
      return;
    case At.Work: {
      const ahead = state.threads.some(
        ({ seen, done, at }, other) =>
          other !== t &&
          me.segment > 0 &&
          (done < me.segment || (other > 0 && at === At.Idle && seen < state.command)),
      );
      if (ahead)
        throw new Wrong(`thread ${t} is in segment ${me.segment} before all have done the one before`);
      const done = me.segment + 1;
      yield go("works", { at: At.Arrive, segment: done, done });
      if (state.failures) {
        const failed = { failures: state.failures - 1, happened: state.happened | 1 };
        yield go("fails", { at: At.Claim, status: FAILED }, failed);
      }
      if (state.trapsLeft) {
        const trapped = { trapsLeft: state.trapsLeft - 1, happened: state.happened | 2 };
        yield go("traps", { at: At.TrapRecord, status: FAILED }, trapped);
      }
      return;
    }
    case At.Arrive: {
      const arrived = state.arrived + 1;
      yield go("arrives", { at: At.Compare, arrived, all: me.segment * threads }, { arrived });
      return;
    }
    case At.Compare:
      if (me.arrived < me.all) yield go("waits", { at: At.BarrierAbort });
      else yield go("passes", { at: me.segment === segments ? At.Leave : At.LookForAbort });
      return;
    case At.BarrierAbort:
      if (!state.abort) yield go("sees no abort", { at: At.BarrierStop });
      else if (faults.abortForgotten) yield go("sees the abort", { at: At.Leave, status: ABORTED });
      else yield go("sees the abort", { at: At.BarrierWriteAbort });
      return;
    case At.BarrierWriteAbort:
      yield go("stops all", { at: At.BarrierStop }, { stop: state.stop || ABORTED });
      return;
    case At.BarrierStop:
      if (state.stop) yield go("sees the stop", { at: At.Leave, status: state.stop });
      else yield go("sleeps", { at: At.Sleep });
      return;
    case At.Sleep:
      yield go("wakes", { at: At.Reload });
      if (faults.sleepLosesLocal) yield go("wakes, a local lost", { at: At.Reload, all: 0 });
      return;
    case At.Reload:
      yield go("looks again", { at: At.Compare, arrived: state.arrived });
      return;
    case At.Claim:
      if (state.code) yield go("finds the record taken", { at: At.Stop });
      else yield go("claims the record", { at: At.Tag }, { code: KERNEL_ERROR, owner: t + 1 });
      return;
    case At.Tag:
      yield go("tags the record", { at: At.Stop }, { tag: t + 1 });
      return;
    case At.Stop:
      yield go("stops all", { at: At.Complete }, { stop: state.stop || FAILED });
      return;
    case At.Complete: {
      const isMine = faults.recordOverwritten || state.tag === t + 1;
      yield go("completes the record", { at: At.Leave }, isMine ? { place: t + 1 } : {});
      return;
    }
    case At.Leave: {
      const isLast = state.left === threads - 1;
      yield go("leaves", { at: isLast ? At.ClearArrived : At.End }, { left: state.left + 1 });
      return;
    }
    case At.ClearArrived:
      yield go("clears arrivals", { at: At.ClearStop }, { arrived: 0 });
      return;
    case At.ClearStop:
      yield go("clears the stop", { at: At.ClearLeft }, { stop: DONE });
      return;
    case At.ClearLeft:
      yield go("clears the leavers", { at: At.End }, { left: 0 });
      return;
    case At.End:
      if (t === 0) yield go("has left", { at: At.AwaitHelpers });
      else yield go("is done", { at: At.Idle }, { atWork: state.atWork - 1 });
      return;
    case At.TrapRecord: {
      const isFirst = state.code === NO_ERROR;
      const record = isFirst ? { code: TRAP, owner: t + 1, place: t + 1 } : {};
      yield go("records the trap", { at: At.TrapWords }, record);
      return;
    }
    case At.TrapWords:
      yield go("sends words", { at: At.TrapCount }, { sent: state.sent + 1 });
      return;
    case At.TrapCount:
      yield go("counts the trap", { at: At.TrapStop }, { traps: state.traps + 1 });
      return;
    case At.TrapStop:
      yield go("stops all", { at: At.TrapEnd }, { stop: FAILED });
      return;
    case At.TrapEnd:
      if (t === 0) yield go("is trapped", { at: At.AwaitHelpers });
      else yield go("is done", { at: At.Idle }, { atWork: state.atWork - 1 });
      return;
    case At.AwaitHelpers:
      if (state.atWork === 0) yield go("sees all done", { at: At.Answer });
      else if (faults.sleepLosesStatus && me.status) yield go("sleeps, a local lost", { status: DONE });
      return;
    case At.Answer:
      yield go("answers", { at: At.Answered }, { traps: 0, counted: state.traps, answered: 1 });
      return;
    case At.Answered:
      return;
  }
}

/** A state as a string of its numbers. */
function key(state: State): string {
  let text = "";
  for (const value of Object.values(state)) if (typeof value === "number") text += String.fromCharCode(value);
  for (const { at, segment, arrived, all, status, done, seen } of state.threads)
    text += String.fromCharCode(at, segment, arrived, all, status, done, seen);
  return text;
}

/** Looks at every state that can be reached, and whether each can still come to its end. */
export function check(model: Model): Verdict {
  const start = first(model);
  const numbers = new Map([[key(start), 0]]);
  const todo = [start];
  const from = [-1];
  const labels = [""];
  /** Pairs (state, one step before it). */
  const edges: number[] = [];
  const ends: number[] = [];
  const path = (at: number) => {
    const steps: string[] = [];
    for (let state = at; state > 0; state = from[state]) steps.push(labels[state]);
    return steps.reverse().join(" | ");
  };
  for (let at = 0; at < todo.length; at++) {
    const state = todo[at];
    if (state.run === model.runs && !state.calling) ends.push(at);
    try {
      for (const [label, to] of successors(state, model)) {
        const name = key(to);
        let number = numbers.get(name);
        if (number === undefined) {
          number = todo.length;
          numbers.set(name, number);
          todo.push(to);
          from.push(at);
          labels.push(label);
        }
        edges.push(number, at);
      }
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      return { states: todo.length, wrong: `${error.message}: ${path(at)}` };
    }
  }
  const stuck = neverEnds(todo.length, edges, ends);
  const wrong = stuck < 0 ? undefined : `a state from which nothing ends: ${path(stuck)}`;
  return { states: todo.length, wrong };
}

/** The first state from which no end can be reached, or −1. */
function neverEnds(states: number, edges: readonly number[], ends: readonly number[]): number {
  const before: number[][] = Array.from({ length: states }, () => []);
  for (let i = 0; i < edges.length; i += 2) before[edges[i]].push(edges[i + 1]);
  const canEnd = new Uint8Array(states);
  const todo = [...ends];
  for (const end of ends) canEnd[end] = 1;
  while (todo.length) {
    for (const state of before[todo.pop()!]) {
      if (!canEnd[state]) todo.push(state);
      canEnd[state] = 1;
    }
  }
  return canEnd.indexOf(0);
}

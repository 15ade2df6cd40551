/** Where threads must wait for each other: only before an instruction whose bytes conflict with one since the last wait. */

export interface Access {
  readonly offset: number;
  readonly bytes: number;
  readonly write: boolean;
}

/** For each instruction, given all that it touches: whether it needs a barrier before it. */
export function barriers(instructions: readonly (readonly Access[])[]): boolean[] {
  let since: Access[] = [];
  return instructions.map((accesses) => {
    const wait = accesses.some((access) => since.some((earlier) => conflict(access, earlier)));
    if (wait) since = [];
    since.push(...accesses);
    return wait;
  });
}

function conflict(a: Access, b: Access): boolean {
  return (a.write || b.write) && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

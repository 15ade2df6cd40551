/**
 * Counter-based random numbers: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, "Parallel random
 * numbers: as easy as 1, 2, 3"). A number is a function of the seed and of counters, so it is the same in any order, on
 * any thread and after a resume.
 * src/engine/random.ts is the same function; a test compares the bits.
 */

/** Parity constant of the key schedule. */
const PARITY: i32 = 0x1bd11bda;

/** Word 0 or 1 (`word` is a compile-time constant) of the block with key (k0, k1) and counter (c0, c1); four lanes. */
// @ts-ignore: decorator
@inline
export function threefry(k0: v128, k1: v128, c0: v128, c1: v128, word: i32): v128 {
  let this_key = k0;
  let next_key = k1;
  let last_key = v128.xor(v128.xor(k0, k1), i32x4.splat(PARITY));
  let a = i32x4.add(c0, this_key);
  let b = i32x4.add(c1, next_key);
  for (let group = 1; group <= 5; group++) {
    if (group & 1) {
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 13), a);
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 15), a);
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 26), a);
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 6), a);
    } else {
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 17), a);
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 29), a);
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 16), a);
      a = i32x4.add(a, b);
      b = v128.xor(rotate_left(b, 24), a);
    }
    const first_key = this_key;
    this_key = next_key;
    next_key = last_key;
    last_key = first_key;
    a = i32x4.add(a, this_key);
    b = i32x4.add(b, i32x4.add(next_key, i32x4.splat(group)));
  }
  return word ? b : a;
}

// @ts-ignore: decorator
@inline
function rotate_left(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** 32 random bits of (seed, a, b, c, d). */
export function random(seed: i32, a: i32, b: i32, c: i32, d: i32): u32 {
  const k0 = random_key(seed, a, b, 0);
  const k1 = random_key(seed, a, b, 1);
  return <u32>i32x4.extract_lane(threefry(k0, k1, i32x4.splat(c), i32x4.splat(d), 0), 0);
}

/** Word 0 or 1 of the key of four counters (a, b, ·, ·): the first two are absorbed, `threefry` takes the last two. */
// @ts-ignore: decorator
@inline
export function random_key(seed: i32, a: i32, b: i32, word: i32): v128 {
  return threefry(i32x4.splat(seed), i32x4.splat(4), i32x4.splat(a), i32x4.splat(b), word);
}

/** Random bits → (0, 1): odd multiples of 2⁻²⁴, all of them exact in f32, never 0 or 1. */
// @ts-ignore: decorator
@inline
export function uniform_lanes(bits: v128): v128 {
  const half = f32x4.add(f32x4.convert_i32x4_u(i32x4.shr_u(bits, 9)), f32x4.splat(0.5));
  return f32x4.mul(half, f32x4.splat(1.0 / 8388608));
}

export function uniform(bits: u32): f32 {
  return f32x4.extract_lane(uniform_lanes(i32x4.splat(<i32>bits)), 0);
}

import { describe, expect, test } from "vitest";
import { decimal, size, whole } from "../../src/cli/arguments.ts";

describe("sizes", () => {
  test.each([
    ["100000", 100000],
    ["1B", 1],
    ["512MiB", 512 * 2 ** 20],
    ["512mib", 512 * 2 ** 20],
    ["1.5 GiB", 1.5 * 2 ** 30],
    ["2G", 2 * 2 ** 30],
    ["800MB", 8e8],
    ["3kB", 3000],
    ["0.5KiB", 512],
  ])("%s", (text, bytes) => {
    expect(size(text)).toBe(bytes);
  });

  test.each(["", "MiB", "-1", "12XB", "1e9", "1,5GiB", "0", "0.1B", "1 2", "99999999999GiB", "NaN"])(
    "%s is none",
    (text) => {
      expect(() => size(text)).toThrow(/A size /);
    },
  );
});

describe("numbers", () => {
  test("whole numbers are whole, within their range, and decimal", () => {
    expect([whole(0, 9)("0"), whole(0, 9)("9")]).toEqual([0, 9]);
    for (const text of ["10", "-1", "1.5", "", "0x1", "1e0", "one"])
      expect(() => whole(0, 9)(text)).toThrow("whole number from 0 to 9");
  });

  test("numbers are within their range", () => {
    expect([decimal(0, 2)("0.5"), decimal(0, 2)("1e-3")]).toEqual([0.5, 0.001]);
    for (const text of ["2.1", "-0.1", "", " ", "NaN", "half"])
      expect(() => decimal(0, 2)(text)).toThrow("number from 0 to 2");
  });
});

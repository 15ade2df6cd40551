/** The picture of memory in characters. */

import { printType } from "../../engine/graph/print.ts";
import { arenaPicture, type Picture, regionsOf, type Storage, valueName } from "../../engine/plan/explain.ts";
import { formatBytes } from "../../engine/plan/program.ts";
import { bar, COLUMNS, dim, heading, styled, table } from "../terminal.ts";
import type { Subject } from "./subject.ts";

const HEIGHT = 24;
const LEGEND = 14;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const COLOURS = ["cyan", "yellow", "green", "magenta", "blue", "red"] as const;

export function memoryPicture(subject: Subject): string {
  const { program, plan } = subject;
  const label = hex(program.regions[6].bytes).length + 1;
  const picture = arenaPicture(plan, program.slots, HEIGHT, COLUMNS - label - 1);
  return [
    heading("memory, to scale"),
    regions(subject),
    `${heading("arena by lifetime")}  ${dim(scale(picture))}`,
    cells(picture, label),
    legend(picture.storages),
  ].join("\n\n");
}

function regions({ program }: Subject): string {
  const { total } = program.memory;
  const rows = regionsOf(program).map(({ name, offset, bytes }) => [
    hex(offset),
    name,
    formatBytes(bytes),
    bar(bytes / total, 56),
  ]);
  rows.push([hex(total), "end", formatBytes(total), ""]);
  return table([">from", "part", ">size", ""], rows);
}

function scale({ rowBytes, columnInstructions }: Picture): string {
  const column = columnInstructions === 1 ? "an instruction" : `${columnInstructions} instructions`;
  return `a row is ${formatBytes(rowBytes)}, a column ${column}, · is free`;
}

/** Highest offset on top, as memory is drawn. */
function cells({ cells: rows, rowBytes }: Picture, label: number): string {
  return rows
    .map((row, i) => `${dim(hex(i * rowBytes).padStart(label))} ${row.map(cell).join("")}`)
    .reverse()
    .join("\n");
}

function cell(storage: number): string {
  return storage < 0 ? dim("·") : styled(COLOURS[storage % COLOURS.length], letter(storage));
}

function letter(storage: number): string {
  return LETTERS[storage % LETTERS.length];
}

function legend(storages: readonly Storage[]): string {
  const largest = storages.map((storage, i) => ({ ...storage, i })).sort((a, b) => b.bytes - a.bytes);
  const rows = largest
    .slice(0, LEGEND)
    .map(({ value, offset, bytes, first, last, i }) => [
      cell(i),
      valueName(value),
      printType(value),
      value.node.op!.name,
      hex(offset),
      formatBytes(bytes),
      `${first}–${last}`,
    ]);
  const more = storages.length - rows.length;
  const rest =
    more > 0 ? `\n\n  ${dim(`and ${more} smaller ones; letters come again after ${LETTERS.length}`)}` : "";
  return table(["", "value", "type", "computed by", ">offset", ">size", ">instructions"], rows) + rest;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

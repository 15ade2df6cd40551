/** Observable Plot on the Node side: options in, an inline SVG out that takes its colours from the page. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { Html } from "./html.ts";

const { document } = parseHTML("<!doctype html><html></html>");

/** `label` is what a screen reader says. */
export function plot(options: Plot.PlotOptions, label: string): Html {
  const svg = Plot.plot({ document, className: "plot", ...options });
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  for (const style of svg.querySelectorAll("style")) style.remove(); // the page has the rules once
  return new Html(rounded(svg.outerHTML));
}

/** Coordinates to a hundredth of a pixel: a third of the size, and nothing to see. Text between tags is left alone. */
function rounded(svg: string): string {
  const round = (digits: string) => String(Number(Number(digits).toFixed(2)));
  return svg.replace(/="[^"]*"/g, (attribute) => attribute.replace(/-?\d+\.\d{3,}/g, round));
}

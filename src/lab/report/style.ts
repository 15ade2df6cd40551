/** The report's look: one column, light and dark by the reader's setting, plain black on white on paper. */
export const LIGHT = `
  --page: #faf9f6; --card: #ffffff; --ink: #1c222a; --soft: #5a6470; --line: #e2dfd7; --grid: #efece6;
  --none: #6f7783; --rag: #1a6acb; --lora: #cc5c0a; --reused: #7a4abf; --trained: #0b8467; --baseline: #8b929c;
  --good: #14713f; --good-back: #e2f3e9; --bad: #a92f27; --bad-back: #fbe6e3; --open: #7a5c08; --open-back: #fbf0d2;
  --mute: #68717c; --mute-back: #efeeea; --zone: #1a7f4b14;`;

export const DARK = `
  --page: #13161b; --card: #1a1e25; --ink: #e6e9ed; --soft: #9ba6b2; --line: #2d343e; --grid: #262c35;
  --none: #a0a8b3; --rag: #70b0ff; --lora: #ffa25c; --reused: #c3a4ff; --trained: #4dd4ac; --baseline: #7f8893;
  --good: #6fdca4; --good-back: #143524; --bad: #ff978c; --bad-back: #43201d; --open: #ecca66; --open-back: #3a3014;
  --mute: #9ba6b2; --mute-back: #262c35; --zone: #6fdca41a;`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 0.35rem; }
h2 { font-size: 1.3rem; letter-spacing: -0.01em; margin: 3rem 0 0.35rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 0.4rem; }
p { max-width: 46rem; margin: 0.35rem 0 0.9rem; }
.soft, figcaption span, .note { color: var(--soft); }
.note { font-size: 0.875rem; }
.overline { font-size: 0.8rem; letter-spacing: 0.08em; text-transform: uppercase; color: var(--soft); margin: 0 0 0.4rem; }
code, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 0.875em; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 1rem; overflow-x: auto; }
.facts { display: flex; flex-wrap: wrap; margin: 1.5rem 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; }
.facts div { flex: 1 1 8.5rem; padding: 0.75rem 1rem; box-shadow: 0 0 0 0.5px var(--line); }
.facts b { display: block; font-size: 1.3rem; line-height: 1.3; font-variant-numeric: tabular-nums; letter-spacing: -0.01em; }
.facts span { display: block; font-size: 0.8125rem; line-height: 1.35; color: var(--soft); }
.box { border: 1px solid; border-radius: 10px; padding: 0.8rem 1rem; margin: 1rem 0; }
.box p, .box ul { margin: 0.2rem 0 0; max-width: none; }
.box ul { padding-left: 1.2rem; }
.box.alarm { color: var(--bad); background: var(--bad-back); border-color: currentColor; }
.box.warning { color: var(--open); background: var(--open-back); border-color: transparent; }
.wide { overflow-x: auto; margin: 0.8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 0.8rem; vertical-align: bottom; }
th, td { padding: 0.5rem 0.75rem 0.5rem 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; }
td.right, th.right { text-align: right; }
td.middle { vertical-align: middle; }
td small { display: block; color: var(--soft); font-size: 0.8125rem; line-height: 1.4; }
.contrasts td:first-child { min-width: 15rem; }
.contrasts .plot { width: 12rem; }
.p { white-space: nowrap; }
.guidelines td:first-child { font-weight: 700; width: 2.5rem; color: var(--soft); }
.badge { display: inline-block; padding: 0.08rem 0.55rem; border-radius: 99px; font-size: 0.8125rem; font-weight: 600;
  white-space: nowrap; }
.badge.supported { color: var(--good); background: var(--good-back); }
.badge.refuted { color: var(--bad); background: var(--bad-back); }
.badge.open { color: var(--open); background: var(--open-back); }
.badge.untested { color: var(--mute); background: var(--mute-back); }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; margin: 1rem 0; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 0.8rem 0.8rem 0.4rem;
  break-inside: avoid; }
figcaption { font-weight: 600; font-size: 0.9rem; line-height: 1.3; margin: 0 0 0.3rem 0.2rem; }
figcaption span { font-weight: 400; }
.plot { width: 100%; height: auto; color: var(--soft); --plot-background: var(--card); overflow: visible; }
.legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.1rem; font-size: 0.875rem; margin: 0.8rem 0; padding: 0; list-style: none; }
.legend li { display: flex; align-items: center; gap: 0.4rem; }
.legend svg { flex: none; }
.mark { display: inline-block; padding: 0 0.4rem; border-radius: 99px; font-size: 0.75rem; font-weight: 600; white-space: nowrap;
  color: var(--open); background: var(--open-back); }
.cells { white-space: nowrap; font-size: 0.8125rem; }
.cells .cell { white-space: normal; }
.cells .group th { padding-top: 0.9rem; color: var(--ink); }
.cells th, .cells td { padding: 0.3rem 0.9rem 0.3rem 0; }
details { margin: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1.2rem; font-size: 0.9rem; margin: 0.8rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.875rem; }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  .stack thead { display: none; }
  .stack tr { display: block; padding: 0.8rem 0; border-bottom: 1px solid var(--line); }
  .stack td { display: block; border: 0; padding: 0.1rem 0; }
  .stack td[data-name]::before { content: attr(data-name) ": "; color: var(--soft); font-size: 0.8125rem; }
  .contrasts .plot { width: 100%; margin: 0.3rem 0; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.5rem; }
}
@media print {
  :root { color-scheme: light; ${LIGHT} --page: #fff; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  tr, .box, .facts { break-inside: avoid; }
  .badge, .facts, .box { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .wide { overflow: visible; }
  section { break-inside: avoid; }
  .panels { grid-template-columns: repeat(4, 1fr); gap: 0.5rem; }
  figure { padding: 0.4rem; }
  h2 { margin-top: 1.8rem; }
  table { font-size: 8.5pt; }
  .contrasts .plot { width: 9rem; }
  .cells { font-size: 6pt; }
  .cells th { font-size: 6pt; }
  .cells td, .cells th { padding: 0.15rem 0.3rem 0.15rem 0; }
  details::details-content { content-visibility: visible; height: auto; }
}
`;

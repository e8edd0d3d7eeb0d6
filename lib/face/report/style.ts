/**
 * How the page looks. Colours are told apart with every kind of colour blindness, and what they mean is also said by
 * a texture and by words; texts have a contrast of at least 4.5, in the light and in the dark.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --surface: #ffffff; --ink: #18202b; --quiet: #566171; --line: #dde2e8;
  --accent: #1c5d9f; --accent-soft: #e4eef8; --plan: #7a4b00; --plan-soft: #fff1d6;
  --base: #2a6fb5; --band1: #e2a24a; --band2: #c97a1c; --band3: #96480c; --free: #14907f; --zero: #c3cad3;
  --never: #eceff3; --texture: rgba(255, 255, 255, .5); --mark: #5d6876;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10141a; --surface: #181e26; --ink: #e7ebf1; --quiet: #a2adbb; --line: #2c3541;
    --accent: #86b8ee; --accent-soft: #1b2f45; --plan: #f3c675; --plan-soft: #3a2b10;
    --base: #5a9ae0; --band1: #a5662b; --band2: #c98234; --band3: #f2bd70; --free: #3db8a4; --zero: #4b5665;
    --never: #232b36; --texture: rgba(8, 12, 18, .5); --mark: #a2adbb;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: clamp(1rem, 4vw, 3rem); max-width: 76rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word; font-variant-numeric: tabular-nums;
}
h1, h2, h3 { line-height: 1.2; letter-spacing: -.01em; margin: 0; font-weight: 650; text-wrap: balance; }
h1 { font-size: clamp(1.8rem, 5vw, 2.75rem); letter-spacing: -.025em; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin-bottom: 1.1rem; }
h3 { font-size: 1.02rem; margin-bottom: .7rem; }
p { margin: 0 0 1rem; max-width: 76ch; text-wrap: pretty; }
a { color: var(--accent); text-underline-offset: .2em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
small, .quiet, figcaption, .when { color: var(--quiet); font-size: .875rem; font-weight: 400; letter-spacing: 0; }
code, .path { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9em; }
.path, .digest, td, th { overflow-wrap: anywhere; }
ul.plain { margin: .25rem 0; padding-left: 1.1rem; color: var(--quiet); }
ul.plain:has(ul) { padding-left: 0; color: inherit; list-style: none; }

header { margin-bottom: 1.75rem; }
.brand { display: flex; align-items: center; gap: .55rem; margin-bottom: 1.5rem; color: var(--quiet); font-size: .875rem; font-weight: 600; letter-spacing: .02em; }
.mark { width: 1.5rem; height: 1.5rem; fill: none; stroke: var(--mark); stroke-width: 2.4; stroke-linecap: round; }
.mark .base { stroke: var(--accent); fill: none; }
.standing { display: inline-block; margin: .9rem 0 .6rem; padding: .2rem .8rem; border-radius: 99px; font-size: .875rem; font-weight: 600; background: var(--accent-soft); color: var(--accent); }
.standing.plan { background: var(--plan-soft); color: var(--plan); border: 1px dashed currentColor; }
.lead { font-size: clamp(1.05rem, 2.2vw, 1.25rem); line-height: 1.5; max-width: 62ch; margin-bottom: .6rem; text-wrap: pretty; }
.when { margin: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .35rem 1.4rem; margin: 0 0 1.5rem; padding: .8rem 0; list-style: none; border-block: 1px solid var(--line); font-size: .9rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
section { margin-bottom: 1.25rem; padding: clamp(1.1rem, 3vw, 2rem); background: var(--surface); border: 1px solid var(--line); border-radius: 14px; }
section > :last-child, section > .disk:last-child { margin-bottom: 0; }
footer { padding-top: .75rem; color: var(--quiet); font-size: .875rem; }

dl { margin: 0; }
dt { color: var(--quiet); font-size: .875rem; }
dd { margin: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1.5rem 2rem; margin-bottom: 2rem; }
.figures dd { font-size: 1.75rem; font-weight: 650; line-height: 1.2; letter-spacing: -.02em; }
.figures small { display: block; margin-top: .25rem; line-height: 1.4; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: .9rem 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
.facts dd { overflow-wrap: anywhere; }

figure { margin: 0; }
.bars { margin-bottom: 1.75rem; }
.bars ul { display: grid; grid-template-columns: max-content 1fr max-content; margin: .6rem 0 0; padding: 0; list-style: none; }
.bars li { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; gap: .25rem 1rem; align-items: center; padding: .3rem 0; }
.bars svg, .volume-bar { display: block; width: 100%; height: 1.15rem; border-radius: 4px; }
.bars .label { font-weight: 600; }
.bars .value { color: var(--quiet); font-size: .9rem; }
.bars .value b { color: var(--ink); }
.volume-bar { height: .4rem; max-width: 18rem; margin-top: .4rem; border-radius: 3px; }
.volume { font-weight: 600; }

.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem 2.5rem; align-items: start; }
.disk { margin-bottom: 2.25rem; }
.disk table { margin-top: 1.25rem; max-width: 52rem; }
.disk th, .disk td { padding-block: .35rem; }
.patterns { position: absolute; }
.map { display: block; width: 100%; height: auto; margin-top: .5rem; border-radius: 3px; }
.swatch { width: 1rem; height: 1rem; margin-right: .6rem; vertical-align: -.15em; border-radius: 3px; outline: 1px solid var(--line); }
.base { fill: var(--base); } .band1 { fill: var(--band1); } .band2 { fill: var(--band2); } .band3 { fill: var(--band3); }
.free { fill: var(--free); } .zero { fill: var(--zero); } .never, .track { fill: var(--never); }
.differencing { fill: var(--band2); } .forecast { fill: var(--quiet); }
.weight1 { fill-opacity: .4; } .weight2 { fill-opacity: .6; } .weight3 { fill-opacity: .8; }
.stroke { stroke: var(--texture); stroke-width: 1.6; fill: none; } .dot { fill: var(--texture); }
.grid { fill: url(#pattern-grid); } .gap { stroke: var(--surface); stroke-width: 1.3; fill: none; }

.tree { margin: 0; padding: 0; list-style: none; }
.tree li { position: relative; padding: .22rem 0 .22rem 1.4rem; overflow-wrap: anywhere; }
.tree li::before { content: ""; position: absolute; left: 0; top: .68rem; width: .6rem; height: .6rem; border-radius: 50%; border: 2px solid var(--accent); background: var(--surface); z-index: 1; }
.tree li:not(:last-child)::after { content: ""; position: absolute; left: calc(.3rem + 1px); top: 1rem; bottom: -.9rem; border-left: 2px solid var(--line); }
.tree li:has(> .current)::before { background: var(--accent); }
.tree .branch { padding: .2rem 0 .2rem .9rem; margin-left: -.1rem; border-left: 2px solid var(--line); }
.tree .branch::before, .tree .branch::after { display: none !important; }
.tree .branch > ul { margin: 0; padding: 0; list-style: none; }
.tree .quiet { display: inline-block; }
.fork { margin-top: .35rem; display: grid; gap: .5rem; }
details > summary { cursor: pointer; color: var(--accent); margin-bottom: .5rem; }

table { width: 100%; border-collapse: collapse; font-size: .94rem; }
caption { text-align: left; color: var(--quiet); font-size: .875rem; padding-bottom: .5rem; }
th, td { padding: .55rem .75rem .55rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--quiet); font-size: .82rem; font-weight: 600; white-space: nowrap; }
.figure { text-align: right; white-space: nowrap; padding-right: 0; padding-left: 1.25rem; }
tr:has(+ .note) > * { border-bottom: 0; }
.note td { padding-top: 0; color: var(--quiet); font-size: .9rem; }
tbody tr:last-child > * { border-bottom: 0; }
table + p { margin: 1rem 0 0; color: var(--quiet); }
.warnings { margin: 0; padding: 0; list-style: none; display: grid; gap: .75rem; }
.warnings li { padding: .75rem 1rem; border-left: 4px solid var(--plan); background: var(--plan-soft); border-radius: 0 8px 8px 0; overflow-wrap: anywhere; }
.warnings code { display: inline-block; color: var(--plan); }
.problem { padding: .75rem 1rem; border: 1px dashed var(--quiet); border-radius: 8px; overflow-wrap: anywhere; }

@media (max-width: 44rem) {
  .bars ul { grid-template-columns: 1fr auto; }
  .bars svg { grid-column: 1 / -1; grid-row: 2; }
  .bars .value { text-align: right; }
  .figures { grid-template-columns: repeat(2, 1fr); gap: 1.25rem; }
  .figures dd { font-size: 1.4rem; }
  table, caption, tbody, tr, th, td { display: block; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
  tbody tr { padding: .7rem 0; border-bottom: 1px solid var(--line); }
  tbody tr:last-child { border-bottom: 0; }
  tbody th, tbody td { padding: .1rem 0; border: 0; }
  tbody tr:has(+ .note) { border-bottom: 0; padding-bottom: 0; }
  .note { padding-top: .2rem !important; }
  td.figure { padding-left: 0; }
  .disk tbody th, .disk tbody td { padding-block: .05rem; }
  td[data-label] { display: grid; grid-template-columns: minmax(5.5rem, 1fr) 3fr; gap: .75rem; text-align: left; white-space: normal; }
  td[data-label]::before { content: attr(data-label); color: var(--quiet); font-size: .875rem; }
}

@media print {
  :root {
    --page: #fff; --surface: #fff; --ink: #000; --quiet: #444c57; --line: #c9cfd6; --accent: #1c5d9f; --accent-soft: #fff;
    --plan: #7a4b00; --plan-soft: #fff; --base: #2a6fb5; --band1: #e2a24a; --band2: #c97a1c; --band3: #96480c;
    --free: #14907f; --zero: #c3cad3; --never: #eceff3; --texture: rgba(255, 255, 255, .5); --mark: #5d6876;
  }
  @page { margin: 16mm 14mm; }
  html { font-size: 10pt; }
  body { padding: 0; max-width: none; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav { display: none; }
  section { padding: 0 0 1rem; border: 0; border-radius: 0; margin-bottom: 1rem; }
  section + section { border-top: 1px solid var(--line); padding-top: 1rem; }
  h2, h3, caption, figcaption { break-after: avoid; }
  .disk, figure, tr, .figures, .warnings li { break-inside: avoid; }
  .standing { border: 1px solid currentColor; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary { display: none; }
}
`

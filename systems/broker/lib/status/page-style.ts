/** Of the page. Text has a contrast of at least 4.5 to 1 in both schemes. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f5f6f8, #101317); --card: light-dark(#fff, #181c22); --line: light-dark(#dfe3e9, #2c333d);
  --text: light-dark(#16191f, #e8ebf0); --quiet: light-dark(#586070, #a2abb8);
  --bad: light-dark(#b3261e, #ff8a80); --bad-ground: light-dark(#fdeceb, #3a1f1f);
  --good: light-dark(#1d6b36, #7fd497); --good-ground: light-dark(#e8f5ec, #16291d);
  --published: light-dark(#1d5fbf, #7fb2ff); --delivered: light-dark(#7a3ea8, #cf9cf5);
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere;
}
header, footer { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 1.5rem; }
header { margin-bottom: .75rem; }
h1 { font-size: 1.35rem; margin: 0; }
h1 small { font-weight: 400; color: var(--quiet); }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
p { margin: 0; }
a { color: inherit; }
.quiet, .note, footer { color: var(--quiet); }
.note { font-size: .85rem; margin-top: .6rem; }
.banner { padding: .5rem .9rem; border-radius: .5rem; margin-bottom: .75rem; }
.good { color: var(--good); background: var(--good-ground); }
.banner.bad { color: var(--bad); background: var(--bad-ground); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin-bottom: .75rem; }
strong { display: block; font-size: 1.7rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 0 .75rem; align-items: start; }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0 .75rem; }
.rates h2, .tiles h2 { font-size: .9rem; font-weight: 500; color: var(--quiet); margin: 0; }
.tiles p { font-size: .85rem; }
.tiles .bad { border-color: var(--bad); }
.tiles .bad strong { color: var(--bad); }
.chart p { font-size: .8rem; color: var(--quiet); font-variant-numeric: tabular-nums; }
.times { display: flex; justify-content: space-between; }
svg { display: block; width: 100%; height: 6.5rem; overflow: visible; }
svg * { vector-effect: non-scaling-stroke; }
.grid, .axis { stroke: var(--line); } .grid { stroke-dasharray: 2 4; }
polyline { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; }
polygon { fill: var(--series); opacity: .12; }
.published { --series: var(--published); } .delivered { --series: var(--delivered); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-size: .85rem; font-weight: 500; color: var(--quiet); }
th, td { padding: .35rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; padding-bottom: 0; }
td p { font-size: .85rem; }
.number { text-align: right; white-space: nowrap; padding-left: 1rem; font-variant-numeric: tabular-nums; }
.name { font: .9em ui-monospace, monospace; white-space: pre-wrap; }
td span { display: block; color: var(--quiet); }
td span:first-child { color: inherit; }
meter { display: block; width: 100%; min-width: 6rem; height: .6rem; margin-top: .3rem; }
ol { list-style: none; margin: 0; padding: 0; }
li { display: grid; grid-template-columns: 1fr auto; gap: .1rem 1.5rem; padding: .5rem 0; border-top: 1px solid var(--line); }
li:first-child { border-top: 0; padding-top: 0; }
.reason b { display: inline-block; font-weight: 600; } .reason b::first-letter { text-transform: uppercase; }
.when, .id { text-align: right; white-space: nowrap; }
.when, .facts, .id { color: var(--quiet); font-size: .9rem; }
.facts span + span::before { content: " · "; }
code { font: .95em ui-monospace, monospace; }
dl { columns: 22rem 3; column-gap: 2rem; margin: 0; font-size: .9rem; }
dl div { display: flex; justify-content: space-between; gap: 1rem; break-inside: avoid; border-bottom: 1px solid var(--line); padding: .3rem 0; }
dd { margin: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 44rem) {
  body { padding: .75rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); }
  section { padding: .7rem .8rem; }
  svg { height: 4.5rem; }
  .facts, .id { grid-column: 1 / -1; }
  .id { text-align: left; }
}
`

# Copyright (c) 2026, the hybrid.ecs_anywhere authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Style and script of the fleet's page. Private to this collection."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --panel: #f6f8fa;
  --link: #0550ae; --error: #a40e26; --error-ground: #ffebe9; --warning: #7a4e00; --warning-ground: #fff8c5;
  --ok: #116329; --ok-ground: #dafbe1; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --soft: #9da7b3; --line: #30363d;
  --panel: #161b22; --link: #79c0ff; --error: #ffa198; --error-ground: #490202; --warning: #f2cc60;
  --warning-ground: #3b2300; --ok: #7ee787; --ok-ground: #04260f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 90rem; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); font-size: .875rem; }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; }
.totals { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; padding: 0; list-style: none; }
.totals li { padding: .5rem .9rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); }
.totals b { display: block; font-size: 1.4rem; line-height: 1.2; }
.state { display: inline-block; padding: .05rem .5rem; border-radius: 1rem; font-size: .875rem; white-space: nowrap; }
.error { color: var(--error); background: var(--error-ground); }
.warning { color: var(--warning); background: var(--warning-ground); }
.ok { color: var(--ok); background: var(--ok-ground); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
#fleet td:first-child { min-width: 9rem; }
thead th { background: var(--panel); overflow-wrap: normal; }
#fleet thead th { position: sticky; top: 0; white-space: nowrap; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--link); }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .5rem 0; }
input, select { font: inherit; min-width: 0; color: inherit; background: var(--ground); border: 1px solid var(--soft);
  border-radius: .4rem; padding: .35rem .5rem; max-width: 100%; }
input { flex: 1 1 16rem; } .narrow { width: auto; min-width: min(30rem, 100%); }
@media (max-width: 60rem) {
  #fleet td:first-child { min-width: 0; }
  #fleet thead { display: none; } th, td { padding: .3rem; } .state { white-space: normal; }
  #fleet tr { display: block; border: 1px solid var(--line); border-radius: .5rem; margin-bottom: .6rem;
    padding: .3rem 0; }
  #fleet td { display: grid; grid-template-columns: 6.5rem 1fr; border: 0; padding: .15rem .6rem; }
  #fleet td::before { content: attr(data-label); color: var(--soft); }
}
[hidden] { display: none !important; }
"""

SCRIPT = """
(() => {
  const body = document.querySelector("#fleet tbody"), rows = [...body.rows];
  const text = document.querySelector("#text"), state = document.querySelector("#state");
  const cluster = document.querySelector("#cluster"), count = document.querySelector("#count");
  const words = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
  const show = () => {
    const wanted = text.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = (!state.value || row.dataset.states.split(" ").includes(state.value))
        && (!cluster.value || row.dataset.cluster === cluster.value)
        && wanted.every(word => words.get(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} shown`;
  };
  for (const field of [text, state, cluster]) field.addEventListener("input", show);
  const collator = new Intl.Collator("en", {numeric: true});
  const heads = [...document.querySelectorAll("#fleet th")];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[column].dataset.sort ?? row.cells[column].textContent;
    rows.sort((a, b) => collator.compare(key(a), key(b)) * (down ? -1 : 1));
    body.append(...rows);
  }));
  document.querySelector(".tools").hidden = false;
  show();
})();
"""

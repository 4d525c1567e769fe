"use strict";

// Everything but the search works without this script.
const filters = document.getElementById("filters");
const outcome = document.getElementById("outcome");
const blocks = [...document.querySelectorAll(".block")].map((element) => ({
  element,
  rows: [...element.querySelectorAll("tbody tr")].map((element) => ({ element, text: null })),
}));

// Without case and accents: "zoe" finds "Zoë".
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// Names of columns, and so on, are not in the rows; a space keeps words of two cells apart.
const textOf = (row) => (row.text ??= plain([...row.element.cells].map((cell) => cell.textContent).join(" ")));

function filter() {
  const words = plain(filters.elements.search.value).split(/\s+/).filter(Boolean);
  const status = filters.elements.status.value;
  const finding = filters.elements.finding.value;
  let found = 0;
  for (const block of blocks) {
    let shown = 0;
    for (const row of block.rows) {
      const [, , statusCell, findingsCell] = row.element.cells;
      const fits =
        (!status || statusCell.textContent === status) &&
        (!finding || findingsCell.textContent.split(", ").includes(finding)) &&
        words.every((word) => textOf(row).includes(word));
      if (row.element.hidden === fits) row.element.hidden = !fits;
      shown += fits;
    }
    block.element.hidden = shown === 0;
    found += shown;
  }
  const total = blocks.reduce((sum, block) => sum + block.rows.length, 0);
  outcome.textContent = `${found.toLocaleString("en")} of ${total.toLocaleString("en")} employees`;
}

let timer;
filters.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(filter, 150);
});
filters.addEventListener("submit", (event) => event.preventDefault());
// A link to somebody who is filtered out shows everybody again.
addEventListener("hashchange", () => {
  const row = document.getElementById(location.hash.slice(1));
  if (row?.hidden) {
    filters.reset();
    filter();
    row.scrollIntoView();
  }
});
filters.hidden = false;
filter();

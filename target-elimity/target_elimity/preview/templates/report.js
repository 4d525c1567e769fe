"use strict";

// Everything but searching and sorting works without this script.
const filters = document.getElementById("filters");
const outcome = document.getElementById("outcome");
const region = document.querySelector(".employees");
const blocks = [...document.querySelectorAll(".block")];
const bodies = blocks.map((block) => block.querySelector("tbody"));
const rowsOfABlock = bodies[0].rows.length;

// All employees, in the order of the column by which they are sorted. At first, that's the id.
let employees = bodies.flatMap((body) => [...body.rows]);
let sorted = { column: 1, descending: false };

const collator = new Intl.Collator(undefined, { numeric: true });
const texts = new Map();

// Without case and accents: "zoe" finds "Zoë".
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// Names of columns, and so on, are not in the rows; a space keeps words of two cells apart.
function textOf(row) {
  if (!texts.has(row)) texts.set(row, plain([...row.cells].map((cell) => cell.textContent).join(" ")));
  return texts.get(row);
}

// Fill the blocks, from the first one on, with the employees that fit the filters.
function show() {
  const words = plain(filters.elements.search.value).split(/\s+/).filter(Boolean);
  const status = filters.elements.status.value;
  const finding = filters.elements.finding.value;
  const found = employees.filter((row) => {
    const [, , statusCell, findingsCell] = row.cells;
    return (
      (!status || statusCell.textContent === status) &&
      (!finding || findingsCell.textContent.split(", ").includes(finding)) &&
      words.every((word) => textOf(row).includes(word))
    );
  });
  blocks.forEach((block, number) => {
    const rows = found.slice(number * rowsOfABlock, (number + 1) * rowsOfABlock);
    const before = [...bodies[number].rows];
    block.hidden = rows.length === 0;
    // A block that stays as it is need not be laid out again.
    if (rows.length !== before.length || rows.some((row, position) => row !== before[position])) {
      bodies[number].replaceChildren(...rows);
    }
  });
  const counts = [found, employees].map((rows) => rows.length.toLocaleString("en"));
  outcome.textContent = `${counts[0]} of ${counts[1]} employees`;
}

// Sort by a column; if that's the one they are sorted by, the other way round. Who has no value comes last either way.
function sort(column) {
  const descending = column === sorted.column && !sorted.descending;
  const sign = descending ? -1 : 1;
  sorted = { column, descending };
  employees = employees
    .map((row) => ({ row, value: row.cells[column].textContent.trim() }))
    .sort((a, b) => !a.value - !b.value || sign * collator.compare(a.value, b.value))
    .map(({ row }) => row);
  show();
  markSorted();
  region.scrollTop = 0;
}

function markSorted() {
  for (const header of region.querySelectorAll("thead th")) {
    if (header.cellIndex !== sorted.column) header.removeAttribute("aria-sort");
    else header.setAttribute("aria-sort", sorted.descending ? "descending" : "ascending");
  }
}

for (const header of region.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = header.textContent;
  // The keyboard reaches the headers of the first block only: those of the others do the same.
  if (!blocks[0].contains(header)) button.tabIndex = -1;
  header.replaceChildren(button);
}
markSorted();
region.addEventListener("click", (event) => {
  const header = event.target.closest("thead th");
  if (!header) return;
  sort(header.cellIndex);
  blocks[0].querySelectorAll("thead button")[header.cellIndex].focus({ preventScroll: true });
});
// Rows are of equal height. What is cut off shows in full under the pointer.
document.addEventListener("pointerover", (event) => {
  const cell = event.target.closest("tbody th, tbody td");
  if (cell && cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent.trim();
});

let timer;
filters.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(show, 150);
});
filters.addEventListener("submit", (event) => event.preventDefault());
// A link to somebody who is filtered out shows everybody again.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link && !document.getElementById(link.hash.slice(1))) {
    filters.reset();
    show();
  }
});
filters.hidden = false;
show();

"use strict";
// Tables that sort by the column that is clicked, and a field that leaves only the rows that hold a text. The page is whole without.

const keyOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.sort ?? cell.textContent.trim();
};

// Numbers as numbers; what has none comes last, whichever way.
const compare = (a, b, direction) => {
  if (a === "" || b === "") return (a === "") - (b === "");
  const difference = Number(a) - Number(b);
  return direction * (Number.isNaN(difference) ? a.localeCompare(b, "en", { numeric: true }) : difference);
};

const sortBy = (table, column) => {
  const headers = table.tHead.rows[0].cells;
  const ascending = headers[column].getAttribute("aria-sort") !== "ascending";
  for (const header of headers) header.removeAttribute("aria-sort");
  headers[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(keyOf(a, column), keyOf(b, column), ascending ? 1 : -1));
  table.tBodies[0].append(...rows);
};

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
    header.append(button);
  });
}

for (const field of document.querySelectorAll("input[type=search]")) {
  const rows = document.getElementById(field.getAttribute("aria-controls")).tBodies[0].rows;
  field.closest("p").hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}

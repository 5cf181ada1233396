"use strict";
// Sorting by a click on a column's name, and searching; the page is whole without either.
const number = (text) => {
  const found = text.replace(/,/g, "").match(/^[^\d-]{0,2}(-?\d+(\.\d+)?(e[+-]?\d+)?)/);
  return found ? Number(found[1]) : null;
};
const compare = (a, b, sign) => {
  const [x, y] = [number(a), number(b)];
  if (x !== null && y !== null) return sign * (x - y);
  if (x !== null || y !== null) return x === null ? 1 : -1;
  return sign * a.localeCompare(b);
};
for (const table of document.querySelectorAll("table.results")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.className = "sort";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const text = (row) => row.cells[column].textContent.trim();
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((row) => row.cells.length === heads.length);
        rows.sort((a, b) => compare(text(a), text(b), sign)).forEach((row) => body.append(row));
      }
    });
  });
}
const search = document.querySelector(".search");
if (search) {
  search.hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const row of document.querySelectorAll("table.results tbody tr")) {
      const isName = row.querySelector("th[scope=rowgroup]") !== null;
      row.hidden = !isName && !row.textContent.toLowerCase().includes(wanted);
    }
  });
}

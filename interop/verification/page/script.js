"use strict";
const body = document.querySelector("#rows tbody");
const rows = [...body.rows];
const filter = document.querySelector("#filter");
const only = document.querySelector("#only");

function show() {
  const words = filter.value.toLowerCase().split(/\s+/);
  let count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = (only.checked && row.classList.contains("equal")) || !words.every((word) => text.includes(word));
    count += !row.hidden;
  }
  document.querySelector("#count").textContent = `${count} of ${rows.length}`;
}

function sort(heading, column) {
  const falling = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const number = heading.classList.contains("number");
  const value = (row) => {
    const text = row.cells[column].dataset.value;
    if (!number) return text;
    return text === "" ? -Infinity : text === "inf" ? Infinity : Number(text);
  };
  const order = (a, b) => (number ? (a === b ? 0 : a < b ? -1 : 1) : a.localeCompare(b, undefined, { numeric: true }));
  body.append(...rows.sort((a, b) => order(value(a), value(b)) * (falling ? -1 : 1)));
}

[...document.querySelectorAll("#rows th")].forEach((heading, column) =>
  heading.querySelector("button").addEventListener("click", () => sort(heading, column)));
filter.addEventListener("input", show);
only.addEventListener("change", show);
show();

"use strict";
// Sorting and filtering of the tables. Without this file every page is whole and in order; only these two are missing.

const rowsOf = (body) => [...body.querySelectorAll("tr:not(.group)")];
const cellOf = (row, key) => row.querySelector(`[data-key="${key}"]`);

function compare(key, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  return (one, other) => {
    const [a, b] = [one, other].map((row) => cellOf(row, key)?.dataset.value ?? "");
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known comes last, whichever way
    const [x, y] = [Number(a), Number(b)];
    return sign * (Number.isNaN(x) || Number.isNaN(y) ? (a < b ? -1 : a > b ? 1 : 0) : x - y);
  };
}

function sort(table, key, direction) {
  for (const body of table.tBodies) body.append(...rowsOf(body).sort(compare(key, direction)));
  for (const head of table.tHead.querySelectorAll("th")) {
    if (head.dataset.key === key) head.setAttribute("aria-sort", direction);
    else head.removeAttribute("aria-sort");
  }
}

for (const table of document.querySelectorAll(".board table")) {
  for (const head of table.tHead.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.title = head.title;
    head.append(button);
    button.addEventListener("click", () => {
      const other = { ascending: "descending", descending: "ascending" }[head.getAttribute("aria-sort")];
      sort(table, head.dataset.key, other ?? head.dataset.first);
    });
  }
}

const controls = document.querySelector(".controls");
if (controls) {
  const table = document.querySelector("#board table");
  const [benchmark, size, name] = ["benchmark", "size", "name"].map((key) => controls.querySelector(`[data-filter="${key}"]`));
  const sorter = controls.querySelector("[data-sort]");
  for (const head of table.tHead.querySelectorAll("th")) sorter.add(new Option(head.textContent, head.dataset.key));
  sorter.value = "score";
  sorter.addEventListener("change", () => {
    sort(table, sorter.value, table.tHead.querySelector(`[data-key="${sorter.value}"]`).dataset.first);
  });

  const filter = () => {
    const models = new Set();
    const all = new Set();
    for (const body of table.tBodies) {
      body.hidden = benchmark.value !== "" && body.dataset.benchmark !== benchmark.value;
      body.querySelector(".group").hidden = benchmark.value !== "";
      for (const row of rowsOf(body)) {
        row.hidden = (size.value !== "" && row.dataset.size !== size.value) || !row.dataset.name.includes(name.value.trim().toLowerCase());
        if (!body.hidden) all.add(row.dataset.name);
        if (!body.hidden && !row.hidden) models.add(row.dataset.name);
      }
    }
    controls.querySelector(".shown").textContent = `${models.size} of ${all.size} models`;
  };
  controls.addEventListener("input", filter);
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.hidden = false;
  sort(table, "score", "descending");
  filter();
}
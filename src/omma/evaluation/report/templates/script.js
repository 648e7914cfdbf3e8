"use strict";
document.documentElement.classList.add("scripted");
const FIRST = 12; // cards shown before somebody asks for more
const chosen = {};
let all = false;

function show() {
  for (const part of document.querySelectorAll("[data-split]")) {
    part.hidden = "split" in chosen && part.dataset.split !== chosen.split;
  }
  const cards = [...document.querySelectorAll(".card")];
  const fitting = cards.filter((card) => ["world", "verdict"].every((name) => !chosen[name] || card.dataset[name] === chosen[name]));
  const shown = new Set(all ? fitting : fitting.slice(0, FIRST));
  for (const card of cards) card.hidden = !shown.has(card);
  const status = document.querySelector(".shown");
  const more = document.querySelector(".more");
  if (status) status.textContent = `${shown.size} of ${fitting.length} shown`;
  if (more) {
    more.hidden = shown.size === fitting.length;
    more.textContent = `show all ${fitting.length}`;
  }
}

for (const group of document.querySelectorAll("[data-choices]")) {
  const buttons = [...group.querySelectorAll("button")];
  const choose = (button) => {
    chosen[group.dataset.choices] = button.dataset.value;
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    show();
  };
  for (const button of buttons) button.addEventListener("click", () => choose(button));
  group.hidden = false;
  choose(buttons[0]);
}
for (const filters of document.querySelectorAll(".filters")) filters.hidden = false;
document.querySelector(".more")?.addEventListener("click", () => {
  all = true;
  show();
});
show();

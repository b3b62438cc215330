// Lines to choose from: a chosen one gets the first free colour, and its name a place at the right.
"use strict";

const SLOTS = 5, GAP = 15;

for (const figure of document.querySelectorAll("figure[data-choice]")) {
  const boxes = [...figure.querySelectorAll(".choice input")];
  const series = new Map([...figure.querySelectorAll(".series")].map(each => [each.dataset.series, each]));
  const slot = each => Number(/slot(\d)/.exec(each.getAttribute("class"))[1]);
  const tip = each => Number(each.querySelector(".leader").getAttribute("y1"));
  const tips = [...series.values()].map(tip);
  const low = Math.min(...tips, 34), high = Math.max(...tips, 300);

  function update() {
    const chosen = boxes.filter(box => box.checked).map(box => series.get(box.value));
    const used = new Set(chosen.map(slot));
    for (const [, each] of series) if (!chosen.includes(each)) each.setAttribute("class", "series slot0");
    for (const each of chosen) {
      if (slot(each)) continue;
      let free = 1;
      while (used.has(free)) free++;
      used.add(free);
      each.setAttribute("class", `series slot${free}`);
      each.parentNode.append(each);
    }
    for (const box of boxes) box.disabled = !box.checked && chosen.length >= SLOTS;
    const order = [...chosen].sort((one, other) => tip(one) - tip(other));
    spread(order.map(tip), low, high).forEach((y, at) => {
      order[at].querySelector(".label").setAttribute("y", y);
      order[at].querySelector(".leader").setAttribute("y2", y);
    });
  }

  figure.querySelector(".choice").hidden = false;
  figure.querySelector(".choice").addEventListener("change", update);
  update();
}

// As `spread` of marks.py, for sorted places.
function spread(places, low, high) {
  const down = (found, y, at) => [...found, Math.max(y, at ? found[at - 1] + GAP : low)];
  const fall = values => values.reduce(down, []);
  const rise = values => values.reduceRight((found, y) => [Math.min(y, found.length ? found[0] - GAP : high), ...found], []);
  const first = rise(fall(places)), second = fall(rise(places));
  return first.map((y, at) => Math.round(50 * (y + second[at])) / 100);
}

// A click on the picture of a set enlarges it; without a script, the link opens the picture.
const links = [...document.querySelectorAll("a.zoom")];
if (links.length) {
  const dialog = document.createElement("dialog");
  dialog.className = "zoomed";
  dialog.setAttribute("aria-label", "Picture of a set");
  const bar = document.createElement("p"), image = document.createElement("img");
  const close = document.createElement("button"), strong = document.createElement("input"), label = document.createElement("label");
  close.textContent = "Close";
  strong.type = "checkbox";
  label.append(strong, " twice the contrast, around mid grey");
  bar.append(close, label);
  dialog.append(bar, image);
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", event => { if (event.target === dialog || event.target === image) dialog.close(); });
  strong.addEventListener("change", () => dialog.classList.toggle("strong", strong.checked));
  for (const link of links) link.addEventListener("click", event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    image.src = link.href;
    image.alt = link.firstElementChild.alt;
    dialog.showModal();
  });
}

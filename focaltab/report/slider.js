// Fills the tables from the thresholds written into the page; needs no network.
const data = JSON.parse(document.getElementById("thresholds").textContent);
const slider = document.getElementById("slider");
const review = document.getElementById("review-cost");
const missed = document.getElementById("missed-cost");
const number = (x, digits = 0) =>
  x.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function figures(i) {
  const alerts = data.alerts[i];
  const hits = data.hits[i];
  const cost = alerts * review.valueAsNumber + (data.positives - hits) * missed.valueAsNumber;
  const none = data.positives * missed.valueAsNumber;
  const all = data.rows * review.valueAsNumber;
  return { alerts, hits, cost, saved: 1 - cost / Math.min(none, all) };
}

function show() {
  if (!(review.valueAsNumber > 0 && missed.valueAsNumber > 0)) return;
  let cheapest = 0;
  for (let i = 1; i < data.alerts.length; i++) {
    if (figures(i).cost < figures(cheapest).cost) cheapest = i;
  }
  const fill = (id, i) => {
    const f = figures(i);
    const cells = [
      data.threshold[i].toPrecision(3),
      number(f.alerts),
      number((100 * f.hits) / f.alerts, 1) + "%",
      number((100 * f.hits) / data.positives, 1) + "%",
      number(f.cost),
      number(100 * f.saved, 1) + "%",
    ];
    const row = document.getElementById(id);
    cells.forEach((text, k) => { row.cells[k + 1].textContent = text; });
  };
  fill("chosen", slider.valueAsNumber);
  fill("cheapest", cheapest);
  data.shown.forEach((i, k) => fill("shown-" + k, i));
}

for (const control of [slider, review, missed]) control.addEventListener("input", show);
show();

// Fills the tables from the thresholds written into the page; needs no network.
const data = JSON.parse(document.getElementById("thresholds").textContent);
const slider = document.getElementById("slider");
const review = document.getElementById("review-cost");
const missed = document.getElementById("missed-cost");
const number = (x, digits = 0) =>
  x.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function figures(points, i) {
  const threshold = points.threshold[i];
  const alerts = points.alerts[i];
  const hits = points.hits[i];
  const cost = alerts * review.valueAsNumber + (data.positives - hits) * missed.valueAsNumber;
  const none = data.positives * missed.valueAsNumber;
  const all = data.rows * review.valueAsNumber;
  return { threshold, alerts, hits, cost, saved: 1 - cost / Math.min(none, all) };
}

function show() {
  if (!(review.valueAsNumber > 0 && missed.valueAsNumber > 0)) return;
  // Of all thresholds, and of flagging none, one of the corners is the cheapest.
  const corners = data.corners;
  let cheapest = 0;
  for (let i = 1; i < corners.alerts.length; i++) {
    if (figures(corners, i).cost < figures(corners, cheapest).cost) cheapest = i;
  }
  const fill = (id, points, i) => {
    const f = figures(points, i);
    const cells = [
      f.threshold === null ? "above all" : f.threshold.toPrecision(3),
      number(f.alerts),
      f.alerts > 0 ? number((100 * f.hits) / f.alerts, 1) + "%" : "none",
      number((100 * f.hits) / data.positives, 1) + "%",
      number(f.cost),
      number(100 * f.saved, 1) + "%",
    ];
    const row = document.getElementById(id);
    cells.forEach((text, k) => { row.cells[k + 1].textContent = text; });
  };
  fill("chosen", data, slider.valueAsNumber);
  fill("cheapest", corners, cheapest);
  data.shown.forEach((i, k) => fill("shown-" + k, data, i));
}

for (const control of [slider, review, missed]) control.addEventListener("input", show);
show();

// A line chart in SVG: values over time, with a text for those who cannot see it.
import { h, svg } from "./dom.js";

// A telephone shows half as many units, or nobody could read the labels.
const WIDTH = matchMedia("(max-width: 600px)").matches ? 340 : 720, HEIGHT = 150, LEFT = 34, BOTTOM = 20;

// series: [{ name, kind, values }], all of the same length, one a second.
// `seconds` is the room for points; `span` how many seconds they stand for, where that is another.
export function chart(title, series, seconds, unit = "/s", span = seconds) {
  const most = Math.max(1, ...series.flatMap((one) => one.values));
  const x = (i) => LEFT + (WIDTH - LEFT) * (seconds - one_length(series) + i + 1) / seconds;
  const y = (value) => 6 + (HEIGHT - BOTTOM - 6) * (1 - value / most);
  const lines = series.map((one) => svg("polyline", { class: one.kind, points: one.values.map((v, i) => x(i).toFixed(1) + "," + y(v).toFixed(1)).join(" ") }));
  const last = series.map((one) => one.name + " " + (one.values.at(-1) || 0) + unit).join(", ");
  return h("div", {},
    svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title + ": now " + last },
      svg("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: y(0), y2: y(0) }), svg("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: y(most), y2: y(most) }),
      svg("text", { x: 0, y: y(most) + 8 }, most), svg("text", { x: 0, y: y(0) }, "0"),
      svg("text", { x: LEFT, y: HEIGHT - 4 }, span / 60 + " min ago"), svg("text", { x: WIDTH - 24, y: HEIGHT - 4 }, "now"), lines),
    h("div", { class: "keys" }, series.map((one) => h("span", { class: "key " + one.kind }, one.name + ": " + (one.values.at(-1) || 0) + unit))));
}

function one_length(series) {
  return series[0].values.length;
}

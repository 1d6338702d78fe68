// Where mail goes: what waits for each, what it answered, whether it is held.
import { get } from "./api.js";
import { h, fill, tag, number, ago, table } from "./dom.js";

const GOOD = new Set(["2xx"]);

function outcome(attempts) {
  const total = Object.values(attempts).reduce((sum, count) => sum + count, 0);
  const good = attempts["2xx"];
  if (!total) return h("span", { class: "muted" }, "no attempt since the start");
  const others = Object.entries(attempts).filter(([name, count]) => count && !GOOD.has(name));
  return [h("meter", { min: "0", max: String(total), low: String(total * 0.5), high: String(total * 0.9), optimum: String(total), value: String(good), title: `${good} of ${total}`, "aria-label": `${good} of ${total} attempts were answered 2xx` }),
    h("span", { class: "small muted" }, `${Math.floor(100 * good / total)} % of ${number(total)} `), others.map(([name, count]) => [tag(name + " ×" + number(count), "bad"), " "])];
}

export async function destinations(box) {
  const list = h("div", { class: "card" });
  const draw = async () => {
    const [found, failures] = await Promise.all([get("destinations"), get("failures")]);
    const failed = {};
    for (const group of failures.groups) {
      const origin = group.destination.split("/").slice(0, 3).join("/");
      failed[origin] = (failed[origin] || 0) + group.count;
    }
    fill(list, table([["Destination"], ["Answers since the start"], ["Waiting", "number"], ["Next due"], ["Failed", "number"], ["Breaker"]], found.destinations.map((one) => {
      const bare = one.origin.replace(/:(443|80)$/, "");
      const count = failed[one.origin] || failed[bare] || 0;
      return h("tr", {}, h("td", {}, h("a", { href: "#/messages?destination=" + encodeURIComponent(one.origin) }, one.origin)), h("td", {}, outcome(one.attempts)),
        h("td", { class: "number" }, number(one.waiting)), h("td", { class: "time" }, ago(one.next_due)), h("td", { class: "number" }, count ? tag(number(count), "bad") : "0"),
        h("td", {}, one.held_until ? [tag("open", "bad"), h("span", { class: "small muted" }, " after ", number(one.failures), " failures; probes ", ago(one.held_until))] : tag("closed", "good")));
    }), "No mail waits for any destination, and none was attempted since the start."));
  };
  await draw();
  fill(box, h("h1", {}, "Destinations"), list);
  const timer = setInterval(draw, 5000);
  return () => clearInterval(timer);
}

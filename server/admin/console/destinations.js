// Where mail goes: what waits for each, what it answered and how fast, whether it is held or paused.
import { get, post } from "./api.js";
import { h, fill, tag, number, counted, ago, ask, table, toast } from "./dom.js";
import { chart } from "./chart.js";

const EACH_MS = 5000, KEPT = 60;
const past = new Map(); // by origin: what was seen while the console is open, also on other pages' time

function outcome(attempts) {
  const total = Object.values(attempts).reduce((sum, count) => sum + count, 0);
  const good = attempts["2xx"];
  if (!total) return h("span", { class: "muted" }, "no attempt since the start");
  const others = Object.entries(attempts).filter(([name, count]) => count && name !== "2xx");
  return [h("meter", { min: "0", max: String(total), low: String(total * 0.5), high: String(total * 0.9), optimum: String(total), value: String(good), title: `${good} of ${total}`, "aria-label": `${good} of ${total} attempts were answered 2xx` }),
    h("span", { class: "small muted" }, `${Math.floor(100 * good / total)} % of ${number(total)} `), others.map(([name, count]) => [tag(name + " ×" + number(count), "bad"), " "])];
}

function attemptsOf(one) {
  return Object.values(one.attempts).reduce((sum, count) => sum + count, 0);
}

function averageTime(one) {
  const total = attemptsOf(one);
  return total ? number(Math.round(one.attempt_ms / total)) + " ms" : "–";
}

// A point for each look: attempts a minute, and their time.
function remember(one) {
  const seen = past.get(one.origin) || { rate: [], bad: [], time: [] }, total = attemptsOf(one), bad = total - one.attempts["2xx"];
  if (seen.last && total >= seen.last.total) {
    const count = total - seen.last.total;
    seen.rate.push(count);
    seen.bad.push(bad - seen.last.bad);
    seen.time.push(count ? Math.round((one.attempt_ms - seen.last.ms) / count) : 0);
    for (const list of [seen.rate, seen.bad, seen.time]) if (list.length > KEPT) list.shift();
  }
  seen.last = { total, bad, ms: one.attempt_ms };
  past.set(one.origin, seen);
  return seen;
}

function pictures(one, seen) {
  const seconds = KEPT * EACH_MS / 1000;
  return h("div", { class: "card" }, h("h2", {}, one.origin), h("div", { class: "grid" },
    h("div", {}, chart("Attempts", [{ name: "attempts", kind: "in", values: seen.rate }, { name: "not 2xx", kind: "failed", values: seen.bad }], KEPT, " in 5 s", seconds)),
    h("div", {}, chart("Answer time", [{ name: "answer time", kind: "out", values: seen.time }], KEPT, " ms", seconds))));
}

// What it last answered that was no 2xx, of what waits and of what has failed.
async function lastErrors(one) {
  const path = "history?limit=5&destination=" + encodeURIComponent(one.origin) + "&state=";
  const pages = await Promise.all([get(path + "failed"), get(path + "waiting")]);
  const found = [];
  for (const message of pages.flatMap((page) => page.messages))
    for (const delivery of message.deliveries)
      if (delivery.origin === one.origin && delivery.error) found.push({ message, delivery });
  found.sort((a, b) => a.message.time < b.message.time ? 1 : -1);
  const row = ({ message, delivery }) => h("tr", {}, h("td", { class: "time" }, ago(message.time)), h("td", {}, delivery.destination), h("td", {}, delivery.error),
    h("td", {}, h("a", { href: "#/message/" + message.id }, delivery.state)));
  return h("div", { class: "card" }, h("h2", {}, "Last errors"), table([["Accepted"], ["Destination"], ["Last answer"], ["Delivery"]], found.slice(0, 5).map(row),
    "None in the history."));
}

function breaker(one) {
  if (one.held_until) return [tag("held", "bad"), h("span", { class: "small muted" }, " after ", counted(one.failures, "failure"), "; probes ", ago(one.held_until))];
  if (one.held_urls) return [tag("held", "bad"), h("span", { class: "small muted" }, " ", counted(one.held_urls, "URL"), " of it")];
  return tag("closed", "good");
}

export async function destinations(box, { role }) {
  const list = h("div", { class: "card" }), shown = h("div", {});
  let open = null;
  const change = async (what, body, said) => {
    await post("destinations/" + what, body);
    toast(said);
    await draw();
  };
  const pause = (origin) => ask("Pause " + origin, "Nothing is sent there until you resume it. Mail for it is taken in, and waits.", "reason", "Reason", "", "Pause",
    (reason) => change("pause", { url: origin, scope: "origin", ...(reason && { reason }) }, origin + " is paused"));
  const paused = (one) => h("tr", {}, h("td", {}, one.destination), h("td", {}, tag("paused", "warn"), " ", one.reason || "", h("span", { class: "small muted" }, " since ", ago(one.since))), h("td", { class: "number" }, number(one.waiting)),
    h("td", {}), h("td", {}), h("td", {}), h("td", {}), h("td", {}, role === "operate" && h("button", { class: "main", onclick: () => change("resume", { url: one.destination, scope: one.scope }, one.destination + " goes on") }, "Resume")));
  const row = (one, failed) => {
    const count = failed[one.origin] || failed[one.origin.replace(/:(443|80)$/, "")] || 0;
    return h("tr", {}, h("td", {}, h("a", { href: "#/messages?destination=" + encodeURIComponent(one.origin) }, one.origin)), h("td", {}, outcome(one.attempts)),
      h("td", { class: "number" }, number(one.waiting)), h("td", { class: "time" }, ago(one.oldest)), h("td", { class: "number" }, averageTime(one)),
      h("td", { class: "number" }, count ? h("a", { href: "#/messages?state=failed&destination=" + encodeURIComponent(one.origin) }, tag(number(count), "bad")) : "0"), h("td", {}, breaker(one)),
      h("td", {}, h("div", { class: "bar" }, h("button", { "aria-pressed": String(open === one.origin), onclick: () => { open = open === one.origin ? null : one.origin; draw(); } }, "Over time"),
        role === "operate" && h("button", { onclick: () => pause(one.origin) }, "Pause"))));
  };
  const draw = async () => {
    const [found, failures] = await Promise.all([get("destinations"), get("failures")]);
    const failed = {};
    for (const group of failures.groups) {
      const origin = group.destination.split("/").slice(0, 3).join("/");
      failed[origin] = (failed[origin] || 0) + group.count;
    }
    const held = new Set(found.paused.filter((one) => one.scope === "origin").map((one) => one.destination));
    found.destinations.forEach(remember);
    const rows = [...found.paused.map(paused), ...found.destinations.filter((one) => !held.has(one.origin)).map((one) => row(one, failed))];
    fill(list, table([["Destination"], ["Answers since the start"], ["Waiting", "number"], ["Oldest"], ["Answer time", "number"], ["Failed", "number"], ["Breaker"], ["Action"]], rows,
      "No mail waits for any destination, and none was attempted since the start."));
    const one = found.destinations.find((each) => each.origin === open);
    fill(shown, one && [pictures(one, past.get(open)), await lastErrors(one)]);
  };
  await draw();
  fill(box, h("h1", {}, "Destinations"), list, shown);
  const timer = setInterval(draw, EACH_MS);
  return () => clearInterval(timer);
}

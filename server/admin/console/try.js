// The TEST button, and what is missing on a first run.
import { get, post } from "./api.js";
import { h, fill, tag, state, table } from "./dom.js";

const WAIT_MS = 1000, WAITS = 60;

async function follow(answer, out) {
  for (let i = 0; i < WAITS; i++) {
    await new Promise((done) => setTimeout(done, WAIT_MS));
    const found = await get("story", { id: answer.id }).catch(() => null);
    const m = found?.messages[0];
    if (!m) continue;
    fill(out, h("p", {}, tag(answer.reply, m.result === "accepted" ? "good" : "bad")), m.deliveries.map((d) => h("p", {}, state(d.state), " ", h("code", {}, d.destination), " ",
      d.status ? "answered " + d.status : d.error || "not answered yet", d.made.length > 0 && ` in ${d.made.at(-1).ms} ms`)), h("p", {}, h("a", { href: "#/message/" + encodeURIComponent(m.id) }, "Its whole story")));
    if (m.deliveries.every((d) => d.state !== "waiting")) return;
  }
}

export async function test(box, { role }) {
  const recipient = h("input", { name: "recipient", type: "email", required: true, placeholder: "sales@example.com", "data-search": "1" }), out = h("div", { role: "status", "aria-live": "polite" });
  const button = h("button", { class: "main" }, "TEST");
  const run = async (event) => {
    event.preventDefault();
    button.disabled = true;
    fill(out, h("p", { class: "muted" }, "On its way …"));
    try {
      const answer = await post("test", { recipient: recipient.value });
      fill(out, h("p", {}, tag(answer.reply, answer.reply.startsWith("2") ? "good" : "bad")));
      if (answer.reply.startsWith("2")) await follow(answer, out);
    } catch (error) { fill(out, h("p", { role: "alert" }, error.message)); } finally { button.disabled = false; }
  };
  fill(box, h("h1", {}, "Test"), h("form", { class: "card", onsubmit: run }, h("p", {}, "Sends a sample message through the rules to the real destination of an address, and shows the answer. ", h("b", {}, "The receiver gets it.")),
    h("div", { class: "filters" }, h("label", {}, "Recipient", recipient), role === "operate" ? button : tag("your role may not")), out));
  return () => {};
}

async function askDns(out) {
  fill(out, h("p", { class: "muted" }, "Asking …"));
  const found = await get("setup/dns");
  fill(out, table([["Name"], ["Type"], ["What DNS says"], ["State"]], found.records.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.name)), h("td", {}, one.type), h("td", {}, one.now), h("td", {}, tag(one.ok ? "ok" : "look", one.ok ? "good" : "warn"))))));
}

export async function setup(box, { role }) {
  const dns = h("div", { role: "status", "aria-live": "polite" });
  const found = await get("setup"), missing = found.steps.filter((one) => !one.ok).length;
  fill(box, h("h1", {}, "Set-up"), h("div", { class: "card" }, h("p", {}, missing ? `${missing} of ${found.steps.length} ${missing === 1 ? "needs" : "need"} a look.` : "Nothing is missing."), found.steps.map((one) =>
    h("div", { class: "step" }, tag(one.ok ? "ok" : "look", one.ok ? "good" : "warn"), h("div", {}, h("b", {}, one.name), " ", h("span", { class: "muted" }, one.now || "not set"), one.how && h("p", { class: "small" }, one.how))))),
    h("div", { class: "card" }, h("h2", {}, "In DNS"), h("p", { class: "muted small" }, "What others need to find this server."), found.dns.map((record) => h("p", {}, h("code", {}, record))),
      role === "operate" && h("div", { class: "bar" }, h("button", { onclick: () => askDns(dns) }, "Ask DNS"), h("span", { class: "small muted" }, "Asks the resolver for the names of this list.")), dns));
  return () => {};
}

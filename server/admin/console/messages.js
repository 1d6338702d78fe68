// The history: a list that can be searched and goes on live, and one message's whole story.
import { get, post, text, watch } from "./api.js";
import { h, fill, tag, state, number, clock, bytes, table, toast, ask } from "./dom.js";

const FILTERS = [["sender", "Sender", "a@b.example or @b.example"], ["recipient", "Recipient", "sales@… or @…"], ["subject", "Subject", "a part of it"],
  ["destination", "Destination", "https://host/path or https://host"], ["id", "Id", "of a message or delivery"]];
const RESULTS = ["", "accepted", "deferred", "rejected"], STATES = ["", "waiting", "delivered", "failed", "dropped"];
const LIMIT = 50, LIVE_MAX = 200;

function summary(m) {
  const counts = {};
  for (const d of m.deliveries) counts[d.state] = (counts[d.state] || 0) + 1;
  return m.result !== "accepted" ? state(m.result) : Object.entries(counts).map(([word, count]) => [state(word), count > 1 ? " ×" + count + " " : " "]);
}

function row(m, go) {
  const open = () => go("message/" + encodeURIComponent(m.id));
  return h("tr", { class: "row", onclick: open, "data-id": m.id }, h("td", { class: "time" }, clock(m.time)),
    h("td", {}, m.sender || "<>"), h("td", {}, m.recipients.map((r) => r.address).join(", ")),
    h("td", {}, h("a", { href: "#/message/" + encodeURIComponent(m.id), onclick: (event) => event.stopPropagation() }, m.subject || m.id)),
    h("td", { class: "optional" }, m.result === "accepted" ? [...new Set(m.deliveries.map((d) => d.destination))].join(", ") : m.reply), h("td", {}, summary(m)));
}

function select(name, label, words, value) {
  return h("label", {}, label, h("select", { name }, words.map((word) => h("option", { value: word, selected: word === value }, word || "any"))));
}

function localTime(value) {
  return value ? String(Date.parse(value) || "") : "";
}

export async function messages(box, { query, go, role }) {
  const value = Object.fromEntries(query), inputs = FILTERS.filter(([name]) => name !== "subject" || role !== "view").map(([name, label, hint], index) => h("label", {}, label,
    h("input", { name, placeholder: hint, value: value[name] || "", autocomplete: "off", "data-search": index === 0 && "1" })));
  const form = h("form", { class: "card", role: "search", onsubmit: (event) => {
    event.preventDefault();
    go("messages", Object.fromEntries(new FormData(form)));
  } }, h("div", { class: "filters" }, inputs, select("result", "Result", RESULTS, value.result), select("state", "Delivery", STATES, value.state),
    h("label", {}, "Status", h("input", { name: "status", inputmode: "numeric", pattern: "[0-9]*", value: value.status || "" })),
    h("label", {}, "Since", h("input", { name: "since", type: "datetime-local", value: value.since || "" })),
    h("label", {}, "Until", h("input", { name: "until", type: "datetime-local", value: value.until || "" }))),
    h("div", { class: "bar" }, h("button", { class: "main" }, "Search"), h("a", { href: "#/messages" }, "Clear")));
  const filter = { ...value, since: localTime(value.since), until: localTime(value.until), limit: LIMIT };
  delete filter.focus;
  const filtered = Object.keys(value).some((key) => value[key] && key !== "focus");
  const list = h("div", {}), more = h("div", { class: "bar" });
  let rows = [], paused = filtered, held = 0;
  const live = h("button", { "aria-pressed": String(paused), onclick: () => { paused = !paused; held = 0; drawLive(); } });
  const drawLive = () => { live.setAttribute("aria-pressed", String(paused)); fill(live, paused ? "Live tail: paused" + (held ? ` (${number(held)} new)` : "") : "Live tail: on"); };
  const draw = () => fill(list, table([["Time"], ["From"], ["To"], ["Subject"], ["Went to, or reply", "optional"], ["Result"]], rows, "No message is like that."));
  const page = async (cursor) => {
    const found = await get("history", { ...filter, cursor });
    rows = rows.concat(found.messages.map((m) => row(m, go)));
    draw();
    fill(more, found.next && h("button", { onclick: () => page(found.next) }, "Older ones"));
  };
  await page();
  drawLive();
  fill(box, h("h1", {}, "Messages"), form, h("div", { class: "card" }, !filtered && role !== "view" && h("div", { class: "bar" }, live), list, more));
  if (query.get("focus")) setTimeout(() => box.querySelector("[data-search]").focus());
  if (filtered || role === "view") return () => {};
  return watch((name, data) => {
    if (name !== "message" || rows.some((one) => one.dataset.id === data.id)) return;
    if (paused) { held++; drawLive(); return; }
    rows = [row(data, go), ...rows].slice(0, LIVE_MAX);
    draw();
  });
}

// ---- One message

function facts(m) {
  const client = m.client;
  return h("dl", {}, h("dt", {}, "From"), h("dd", {}, m.sender || "<> (no return path)"), h("dt", {}, "To"), h("dd", {}, m.recipients.map((r) => r.address).join(", ")),
    m.subject && [h("dt", {}, "Subject"), h("dd", {}, m.subject)], m.message_id && [h("dt", {}, "Message-ID"), h("dd", {}, m.message_id)],
    h("dt", {}, "Size"), h("dd", {}, bytes(m.size)), h("dt", {}, "Id"), h("dd", {}, h("code", {}, m.id)),
    h("dt", {}, "Client"), h("dd", {}, [client.ip || "Unix socket", client.name && " (" + client.name + ")", ", HELO ", client.helo || "–"].filter(Boolean)));
}

function connectionStep(m) {
  return h("li", { class: "good" }, h("b", {}, "Connected"), " ", h("span", { class: "muted small" }, clock(m.time)), h("p", {}, m.client.protocol.toUpperCase(), " from ", h("code", {}, m.client.ip || "a Unix socket"),
    m.client.tls ? [" ", tag("TLS", "good")] : [" ", tag("no TLS")], m.client.user && [" as ", h("code", {}, m.client.user)]));
}

function authStep(m) {
  if (!m.auth.spf) return null;
  const kind = { pass: "good", fail: "bad", softfail: "warn", temperror: "warn", permerror: "warn" };
  return h("li", {}, h("b", {}, "Who sent it"), h("p", {}, ["spf", "dkim", "dmarc"].map((name) => [tag(name.toUpperCase() + " " + m.auth[name], kind[m.auth[name]]), " "])));
}

function rulesStep(recipient) {
  const bad = recipient.verdict && recipient.verdict !== "deliver" && recipient.verdict !== "discard";
  return h("li", { class: bad ? "bad" : "good" }, h("b", {}, "Rules for " + recipient.address), " ", recipient.verdict && tag(recipient.verdict, bad ? "bad" : "good"),
    table([["Rule"], ["Answer"]], recipient.asked.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.rule)), h("td", {}, one.answer))), "No rule was asked."));
}

function replyStep(m) {
  return h("li", { class: m.result === "accepted" ? "good" : m.result === "deferred" ? "warn" : "bad" }, h("b", {}, "Answered"), " ", state(m.result), h("p", {}, h("code", {}, m.reply), h("span", { class: "muted small" }, " after ", m.ms, " ms")));
}

function attempts(d) {
  return table([["Attempt"], ["Time"], ["Status", "number"], ["Took", "number"], ["What came back"]], d.made.map((a) => a.action ? h("tr", {}, h("td", {}, a.action), h("td", { class: "time" }, clock(a.time)), h("td", {}, ""), h("td", {}, ""), h("td", {}, "by ", a.error)) : h("tr", {}, h("td", { class: "time" }, a.number),
    h("td", { class: "time" }, clock(a.time)), h("td", { class: "number" }, a.status || "–"), h("td", { class: "number" }, a.ms + " ms"),
    h("td", {}, a.error || "ok", a.reply && a.reply !== a.error && h("pre", { tabindex: "0" }, a.reply)))), "Not attempted yet.");
}

function isMail(destination) {
  return !/^https?:\/\//.test(destination);
}

function shellQuote(value) {
  return "'" + value.replaceAll("'", "'\\''") + "'";
}

// A line that ends what is pasted into a shell: whoever wrote the mail must not be able to end it before.
function endOf(body) {
  let end;
  do end = "END-" + crypto.getRandomValues(new Uint32Array(2)).join("-"); while (body.includes(end));
  return end;
}

async function showPayload(d, place) {
  const body = await text((d.state === "delivered" || d.kept ? "payload?id=" : "delivery/payload?id=") + encodeURIComponent(d.id));
  let pretty = body, html = null;
  try { const data = JSON.parse(body); pretty = JSON.stringify(data, null, 2); html = data.html; } catch { /* mail, shown as it is */ }
  const end = endOf(body), curl = `curl -X POST -H 'content-type: application/json' -H ${shellQuote("webhook-id: " + d.id)} --data-binary @- ${shellQuote(d.destination)} <<'${end}'\n${body}\n${end}`;
  fill(place, !isMail(d.destination) && h("div", { class: "bar" }, h("button", { onclick: () => { navigator.clipboard?.writeText(curl); toast("Copied. Add the signature and what the URL has after “?”."); } }, "Copy as curl")),
    html && h("details", {}, h("summary", {}, "HTML of the mail, without scripts and without anything from elsewhere"), frame(html)), h("pre", { tabindex: "0" }, pretty.slice(0, 200000)));
}

// A frame of no origin, in which no script runs, no form is sent and nothing is fetched: its policy allows nothing.
function frame(html) {
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`;
  const element = h("iframe", { class: "mail", sandbox: "", title: "HTML of the mail", referrerpolicy: "no-referrer" });
  element.srcdoc = policy + html;
  return element;
}

function sendAgain(d, redraw) {
  ask("Send again", "The same bytes, to the same URL or to another one. A new delivery with an id of its own; the receiver cannot tell it from a new one.", "resend", "To (empty: where it went)", "", "Send",
    async (url) => {
      const sent = await post("resend", { id: d.id, ...(url && { url }) });
      toast("It is sent again to " + sent.destination);
      location.hash = "#/message/" + encodeURIComponent(sent.id.replace(/-\d+$/, ""));
      setTimeout(redraw, 2000);
    });
}

function deliveryStep(d, role, redraw) {
  const place = h("div", {}), failed = role === "operate" && d.state === "failed", again = role === "operate" && !isMail(d.destination);
  return h("li", { class: { delivered: "good", failed: "bad" }[d.state] || "warn" }, h("b", {}, "To "), h("a", { href: "#/messages?destination=" + encodeURIComponent(d.destination) }, d.destination), " ", state(d.state),
    d.status > 0 && h("span", { class: "muted small" }, " answered ", d.status), h("p", { class: "small muted" }, "for ", d.recipient, ", id ", h("code", {}, d.id)), attempts(d),
    h("div", { class: "bar" }, failed && h("button", { class: "main", onclick: async () => { await post("queue/retry", { ids: [d.id] }); toast("It is tried again"); setTimeout(redraw, 1200); } }, "Retry"),
      again && h("button", { onclick: () => sendAgain(d, redraw) }, "Send again …"),
      role !== "view" && (d.kept || d.state !== "delivered") && h("button", { onclick: () => showPayload(d, place) }, "Payload")), place);
}

export async function message(box, context) {
  let again = false; // something of it is still under way
  const redraw = async () => {
    const found = await get("story", { id: context.rest[0] }).catch((error) => { if (error.status !== 404) throw error; });
    const m = found?.messages[0];
    again = !m || m.deliveries.some((d) => d.state === "waiting");
    if (!m) return fill(box, h("h1", {}, "Message"), h("div", { class: "card" }, "It is not in the history (yet)."));
    fill(box, h("h1", {}, m.subject || "Message " + m.id), h("div", { class: "card" }, facts(m), context.role !== "view" && m.kept && h("div", { class: "bar" },
      h("a", { href: "/api/v1/message?id=" + encodeURIComponent(m.id) }, "Save as .eml"), h("a", { href: "#/rules?message=" + encodeURIComponent(m.id) }, "Try it in the playground"))),
      h("div", { class: "card" }, h("h2", {}, "Its story"), h("ol", { class: "story" }, connectionStep(m), authStep(m), m.recipients.map(rulesStep), replyStep(m),
        m.deliveries.map((d) => deliveryStep(d, context.role, redraw)))));
  };
  await redraw();
  const timer = setInterval(() => again && !box.contains(document.activeElement) && redraw(), 2000);
  return () => clearInterval(timer);
}

// The rules, in the order in which they are asked; and the playground: a message, a rule that is not saved, every answer.
import { get, post, text } from "./api.js";
import { h, fill, tag, number, counted, table } from "./dom.js";
import { reloadCard } from "./now.js";

const SAMPLE = "From: Ann <ann@example.org>\nTo: <hook@example.com>\nSubject: Hello\n\nSome text.\n";

function result(trial) {
  const fine = trial.code < 400;
  return h("div", {}, h("p", {}, h("b", {}, trial.recipient), " ", tag(trial.code + " " + trial.text, fine ? "good" : "bad")),
    table([["Rule"], ["Answer"]], trial.steps.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.rule)), h("td", {}, one.answer))), "No rule was asked."),
    trial.destinations.length > 0 && h("p", {}, "Goes to ", trial.destinations.map((url) => [h("code", {}, url), " "])));
}

function whatIf(found) {
  const rows = found.list.map((one) => h("tr", {}, h("td", {}, h("a", { href: "#/message/" + encodeURIComponent(one.id) }, one.subject || one.id)), h("td", {}, one.recipient),
    h("td", {}, one.before.join(", ") || "nowhere"), h("td", {}, one.after.join(", ") || one.verdict, " ", one.rule && h("code", {}, one.rule))));
  return h("div", {}, h("p", {}, h("b", {}, number(found.different), " would go elsewhere"), `, of ${counted(found.recipients, "recipient")} of the ${counted(found.messages, "newest message")}`, found.cut && " (time was up)",
    found.not_kept > 0 && `; ${number(found.not_kept)} more had not been kept (history.bodies)`, "."), rows.length > 0 && table([["Message"], ["Recipient"], ["Went to"], ["Would go to"]], rows));
}

function playground(files, sample) {
  const message = h("textarea", { name: "message", spellcheck: "false", value: sample });
  const rule = h("textarea", { name: "text", spellcheck: "false", value: files[0]?.text || "return function(msg)\n  return \"https://example.com/hook\"\nend\n" });
  const file = h("select", { name: "file", onchange: () => { rule.value = files.find((one) => one.name === file.value)?.text || "return function(msg)\n\nend\n"; } },
    files.map((one) => h("option", { value: one.name }, one.name)), h("option", { value: "99-new.lua" }, "a new file, asked last (99-new.lua)"), h("option", { value: "05-what-if.lua" }, "a new file, asked first (05-what-if.lua)"));
  const recipient = h("input", { name: "recipient", placeholder: "the first of To" }), sender = h("input", { name: "sender", placeholder: "the first of From" });
  const out = h("div", { role: "status", "aria-live": "polite" });
  const run = async (event, ask) => {
    event.preventDefault();
    fill(out, h("p", { class: "muted" }, "The rules are asked …"));
    try {
      fill(out, await ask());
    } catch (error) { fill(out, h("p", {}, tag("error", "bad")), h("pre", { tabindex: "0" }, error.message)); }
  };
  const one = async () => result(await post("playground", { message: message.value, file: file.value, text: rule.value, recipient: recipient.value, sender: sender.value }));
  const all = async () => whatIf(await post("whatif", { file: file.value, text: rule.value, limit: 1000 }));
  return h("form", { class: "card", onsubmit: (event) => run(event, one) }, h("h2", {}, "Playground"), h("p", { class: "muted small" }, "Nothing is saved and nothing is sent."),
    h("div", { class: "grid" }, h("div", {}, h("label", {}, "Message", message), h("div", { class: "filters" }, h("label", {}, "Recipient", recipient), h("label", {}, "Sender", sender))),
      h("div", {}, h("label", {}, "File", file), h("label", {}, "Rule", rule))), h("div", { class: "bar" }, h("button", { class: "main" }, "Ask the rules"), h("button", { type: "button", onclick: (event) => run(event, all) }, "What if?"),
      h("span", { class: "small muted" }, "Which of the last 1,000 messages of the history would go elsewhere.")), out);
}

export async function rules(box, { query, role }) {
  const [found, status] = await Promise.all([get("rules"), get("status")]);
  let sample = SAMPLE;
  if (query.get("message")) sample = await text("message?id=" + encodeURIComponent(query.get("message")));
  fill(box, h("h1", {}, "Rules"), reloadCard(status), h("div", { class: "card" }, h("p", { class: "muted small" }, "In ", h("code", {}, found.directory), ", asked in this order; the first that answers decides. Counted since the start."),
    table([["File"], ["Decided", "number"], ["Time", "number"], ["Errors", "number"], ["Rule"]], found.files.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.name)), h("td", { class: "number" }, number(one.answered)), h("td", { class: "number" }, number(Math.round(one.us / 1000)) + " ms"),
      h("td", { class: "number" }, one.errors ? tag(number(one.errors), "bad") : "0"), h("td", {}, h("details", {}, h("summary", {}, "show"), h("pre", { tabindex: "0" }, one.text))))), "No rule is there yet: see Set-up.")),
    role === "operate" && playground(found.files, sample));
  return () => {};
}

// The rules, in the order in which they are asked; and the playground: a message, a rule that is not saved, every answer.
import { get, post, text } from "./api.js";
import { h, fill, tag, number, table } from "./dom.js";

const SAMPLE = "From: Ann <ann@example.org>\nTo: <hook@example.com>\nSubject: Hello\n\nSome text.\n";

function result(trial) {
  const fine = trial.code < 400;
  return h("div", {}, h("p", {}, h("b", {}, trial.recipient), " ", tag(trial.code + " " + trial.text, fine ? "good" : "bad")),
    table([["Rule"], ["Answer"]], trial.steps.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.rule)), h("td", {}, one.answer))), "No rule was asked."),
    trial.destinations.length > 0 && h("p", {}, "Goes to ", trial.destinations.map((url) => [h("code", {}, url), " "])));
}

function playground(files, sample) {
  const message = h("textarea", { name: "message", spellcheck: "false", value: sample });
  const rule = h("textarea", { name: "text", spellcheck: "false", value: files[0]?.text || "return function(msg)\n  return \"https://example.com/hook\"\nend\n" });
  const file = h("select", { name: "file", onchange: () => { rule.value = files.find((one) => one.name === file.value)?.text || "return function(msg)\n\nend\n"; } },
    files.map((one) => h("option", { value: one.name }, one.name)), h("option", { value: "99-new.lua" }, "a new file (99-new.lua)"));
  const recipient = h("input", { name: "recipient", placeholder: "the first of To" }), sender = h("input", { name: "sender", placeholder: "the first of From" });
  const out = h("div", { role: "status", "aria-live": "polite" });
  const run = async (event) => {
    event.preventDefault();
    try {
      fill(out, result(await post("playground", { message: message.value, file: file.value, text: rule.value, recipient: recipient.value, sender: sender.value })));
    } catch (error) { fill(out, h("p", {}, tag("error", "bad")), h("pre", { tabindex: "0" }, error.message)); }
  };
  return h("form", { class: "card", onsubmit: run }, h("h2", {}, "Playground"), h("p", { class: "muted small" }, "Nothing is saved and nothing is sent."),
    h("div", { class: "grid" }, h("div", {}, h("label", {}, "Message", message), h("div", { class: "filters" }, h("label", {}, "Recipient", recipient), h("label", {}, "Sender", sender))),
      h("div", {}, h("label", {}, "File", file), h("label", {}, "Rule", rule))), h("div", { class: "bar" }, h("button", { class: "main" }, "Ask the rules")), out);
}

export async function rules(box, { query, role }) {
  const found = await get("rules");
  let sample = SAMPLE;
  if (query.get("message")) sample = await text("message?id=" + encodeURIComponent(query.get("message")));
  fill(box, h("h1", {}, "Rules"), h("div", { class: "card" }, h("p", { class: "muted small" }, "In ", h("code", {}, found.directory), ", asked in this order; the first that answers decides. Counted since the start."),
    table([["File"], ["Decided", "number"], ["Errors", "number"], ["Rule"]], found.files.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.name)), h("td", { class: "number" }, number(one.answered)),
      h("td", { class: "number" }, one.errors ? tag(number(one.errors), "bad") : "0"), h("td", {}, h("details", {}, h("summary", {}, "show"), h("pre", { tabindex: "0" }, one.text))))), "No rule is there yet: see Set-up.")),
    role === "operate" && playground(found.files, sample));
  return () => {};
}

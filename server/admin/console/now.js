// At three in the morning: is mail taken in, what waits, what is held, what has failed and why; and what to do.
import { get, post, watch } from "./api.js";
import { h, fill, tag, number, plural, counted, ago, table, toast } from "./dom.js";
import { chart } from "./chart.js";

const SECONDS = 300;

function verdict(status) {
  const why = Object.entries(status.checks).filter(([, check]) => !check.ok).map(([name, check]) => name + ": " + check.why);
  return h("div", { class: "card verdict" + (status.ready ? "" : " bad"), role: "status" }, tag(status.ready ? "yes" : "NO", status.ready ? "good" : "bad"),
    h("div", {}, status.ready ? "Mail is taken in" : "Mail is not taken in",
      h("span", { class: "small muted" }, why.length ? why.join("; ") : [status.hostname, ", mxhook ", status.version, ", started ", ago(status.started)])));
}

function figure(value, label, kind) {
  return h("div", { class: "figure" }, h("b", {}, kind && value !== "0" ? tag(value, kind) : value), h("span", {}, label));
}

function figures(status) {
  return h("div", { class: "card figures" },
    figure(number(status.accepted), "accepted since the start"), figure(number(status.rejected + status.deferred), "refused or deferred"),
    figure(number(status.waiting), plural(status.waiting, "delivery waits", "deliveries wait")), figure(status.oldest_waiting ? ago(status.oldest_waiting) : "–", "oldest of them"),
    figure(number(status.failed), "failed for good", "bad"), figure(number(status.rule_errors), [plural(status.rule_errors, "rule error"), status.failing_rules.length > 0 && [" in ", h("a", { href: "#/rules" }, status.failing_rules.map((one) => one.file).join(", "))]], "warn"));
}

export function reloadCard(status) {
  if (status.reload.ok) return null;
  return h("div", { class: "card", role: "alert" }, h("h2", {}, tag("failed", "bad"), " The last reload"),
    h("p", {}, "The server runs on with what it loaded ", ago(status.reload.time), "."), h("pre", { tabindex: "0" }, status.reload.text));
}

// What came back last from each that is held: of the newest message that waits for it.
async function lastAnswers(held) {
  const answers = {};
  await Promise.all(held.map(async (one) => {
    const found = await get("history", { destination: one.origin.replace(/:(443|80)$/, ""), state: "waiting", limit: 1 }).catch(() => null);
    const d = found?.messages[0]?.deliveries.find((each) => each.state === "waiting" && each.error);
    if (d) answers[one.origin] = d.error;
  }));
  return answers;
}

function heldCard(status, answers) {
  if (!status.held.length && !status.paused.length) return null;
  const rows = status.held.map((one) => h("tr", {}, h("td", {}, h("a", { href: "#/destinations" }, one.origin), one.urls > 0 && h("span", { class: "small muted" }, " ", counted(one.urls, "URL"), " of it")), h("td", { class: "number" }, number(one.waiting)),
    h("td", {}, answers[one.origin] || h("span", { class: "muted" }, "–"), h("span", { class: "small muted" }, " ", counted(one.failures, "failure"), " in a row")),
    h("td", { class: "time" }, "probe ", ago(one.until)), h("td", {}, tag("held", "warn"))));
  const paused = status.paused.map((one) => h("tr", {}, h("td", {}, h("a", { href: "#/destinations" }, one.destination)), h("td", { class: "number" }, number(one.waiting)),
    h("td", {}, one.reason || h("span", { class: "muted" }, "no reason given")), h("td", { class: "time" }, ago(one.since)), h("td", {}, tag("paused"))));
  return h("div", { class: "card" }, h("h2", {}, "Held destinations"), table([["Destination"], ["Waiting", "number"], ["Last answer, or reason"], ["When"], ["State"]], [...rows, ...paused]));
}

async function act(what, shown, group, redraw) {
  const job = await post("queue/" + what, { snapshot: shown.snapshot, group: group.group });
  if (what === "drop")
    toast("Dropping " + number(job.count) + " in " + Math.round(job.begins_in_ms / 1000) + " s", "Undo", async () => {
      await post("jobs/cancel", { job: job.job });
      toast("Nothing was dropped");
      redraw();
    });
  else toast("Retrying " + number(job.count));
  redraw();
}

function failuresCard(shown, role, redraw) {
  if (!shown.count) return h("div", { class: "card" }, h("h2", {}, "Failed"), h("div", { class: "empty" }, "Nothing has failed."));
  const may = role === "operate";
  return h("div", { class: "card" }, h("h2", {}, "Failed, by cause"),
    h("p", { class: "muted small" }, counted(shown.count, "delivery", "deliveries"), " as of now. A button acts on those that are counted here, not on what fails later."),
    table([["Destination"], ["Cause"], ["First", "optional"], ["Last"], ["Count", "number"], ["Action"]], shown.groups.map((one) =>
      h("tr", {}, h("td", {}, one.destination), h("td", {}, h("a", { href: "#/message/" + encodeURIComponent(one.example) }, one.reason || "unknown")),
        h("td", { class: "time optional" }, ago(one.first)), h("td", { class: "time" }, ago(one.last)), h("td", { class: "number" }, number(one.count)),
        h("td", {}, may && h("div", { class: "bar" },
          h("button", { class: "main", onclick: () => act("retry", shown, one, redraw) }, one.count === 1 ? "Retry it" : "Retry these " + number(one.count)),
          h("button", { class: "bad", onclick: () => act("drop", shown, one, redraw) }, "Drop"))))), "Nothing."));
}

function jobsCard(jobs) {
  const going = jobs.filter((job) => !job.ended);
  if (!going.length) return null;
  return h("div", { class: "card" }, h("h2", {}, "Under way"), going.map((job) => h("p", {}, h("progress", { max: job.count, value: String(job.done), "aria-label": job.action + " " + job.what }),
    ` ${job.action}: ${number(job.done)} of ${number(job.count)}, ${job.what} (${job.who})`)));
}

export async function now(box, { role }) {
  const top = h("div", {}), jobs = h("div", {}), failures = h("div", {}), picture = h("div", {}), times = h("div", {});
  const rates = { accepted: [], delivered: [], failed: [] }, answerTimes = [];
  let last = null, answers = {};
  const drawChart = () => fill(picture, chart("Traffic", [
    { name: "accepted", kind: "in", values: rates.accepted }, { name: "delivered", kind: "out", values: rates.delivered },
    { name: "failed", kind: "failed", values: rates.failed }], SECONDS));
  const drawTimes = () => fill(times, chart("How long receivers take to answer", [{ name: "on average", kind: "in", values: answerTimes }], SECONDS, " ms"));
  const drawTop = async () => {
    const [status, list] = await Promise.all([get("status"), get("jobs")]);
    answers = await lastAnswers(status.held);
    fill(top, verdict(status), reloadCard(status), figures(status), heldCard(status, answers));
    fill(jobs, jobsCard(list.jobs));
    return status;
  };
  const drawFailures = async () => fill(failures, failuresCard(await get("failures"), role, redraw));
  const redraw = async () => { await drawTop(); await drawFailures(); };
  fill(box, h("h1", {}, "Now"), top, jobs, failures, h("div", { class: "grid" }, h("div", { class: "card" }, h("h2", {}, "Messages a second"), picture), h("div", { class: "card" }, h("h2", {}, "Answer time of receivers"), times)));
  await redraw();
  drawChart();
  drawTimes();
  const timer = setInterval(drawTop, 3000);
  const stop = role === "view" ? () => {} : watch((name, data) => {
    if (name !== "figures") return;
    if (last) for (const key of Object.keys(rates)) {
      rates[key].push(Math.max(0, Math.round((data[key] - last[key]) * 1000 / Math.max(500, data.now - last.now))));
      if (rates[key].length > SECONDS) rates[key].shift();
    }
    if (last) {
      const count = data.answers - last.answers;
      answerTimes.push(count > 0 ? Math.round(1000 * (data.answer_seconds - last.answer_seconds) / count) : 0);
      if (answerTimes.length > SECONDS) answerTimes.shift();
    }
    last = data;
    drawChart();
    drawTimes();
  });
  return () => { clearInterval(timer); stop(); };
}

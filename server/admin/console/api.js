// The API, and one stream of events for all tabs of this browser: a browser opens six connections to a host, and a tab
// that holds one of them each would freeze the seventh. The tab that has the lock reads the stream and tells the others.

export class ApiError extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function answer(response) {
  const text = await response.text();
  let data = {};
  try { data = JSON.parse(text); } catch { data = { error: text.slice(0, 200) }; }
  if (!response.ok) throw new ApiError(response.status, data.error || "error " + response.status);
  return data;
}

export async function get(path, query) {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query || {})) if (value !== "" && value != null) parameters.set(key, value);
  const text = parameters.toString();
  return answer(await fetch("/api/v1/" + path + (text ? "?" + text : ""), { credentials: "same-origin" }));
}

export async function post(path, body) {
  return answer(await fetch("/api/v1/" + path, {
    method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body || {}),
  }));
}

export async function text(path) {
  const response = await fetch("/api/v1/" + path, { credentials: "same-origin" });
  if (!response.ok) return answer(response);
  return response.text();
}

const listeners = new Set();
const channel = new BroadcastChannel("mxhook");

function tell(event) {
  for (const listener of listeners) listener(event.name, event.data);
}

channel.onmessage = (message) => tell(message.data);

function read() {
  return new Promise((done) => {
    const source = new EventSource("/api/v1/events");
    for (const name of ["message", "figures"])
      source.addEventListener(name, (event) => {
        if (!event.data) return;
        const told = { name, data: JSON.parse(event.data) };
        channel.postMessage(told);
        tell(told);
      });
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) { source.close(); setTimeout(done, 3000); } };
  });
}

let reading = false;

async function keepReading() {
  if (reading) return;
  reading = true;
  for (;;) {
    if (navigator.locks) await navigator.locks.request("mxhook-events", read);
    else await read();
  }
}

export function watch(listener) {
  listeners.add(listener);
  keepReading();
  return () => listeners.delete(listener);
}

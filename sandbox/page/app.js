// Starts the page: reads the state, listens for changes, draws the three faces.
import { load, page } from "./core.js";
import { h, patch } from "./dom.js";
import { slack } from "./slack.js";
import { site } from "./site.js";
import { telegram } from "./telegram.js";

const root = document.getElementById("root");
let drawing = false;
let loading = null;
let again = false;

page.redraw = () => {
  if (drawing || !page.state) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    patch(root, [header(), h("main", { class: "faces" }, site(), telegram(), slack())]);
  });
};

function header() {
  return h("header", { class: "top" },
    h("b", null, "Replydesk sandbox"),
    h("span", { class: "story" }, "A customer leaves a review", h("i", null, "→"), "staff answer in their chat",
      h("i", null, "→"), "the client approves in theirs", h("i", null, "→"), "the reply is public"),
    h("span", { class: page.live ? "live on" : "live", "data-testid": "live" }, page.live ? "live" : "reconnecting"));
}

/** One request at a time; changes that arrive meanwhile lead to exactly one more. */
async function refresh() {
  if (loading) {
    again = true;
    return;
  }
  loading = load().then(() => page.redraw(), () => {});
  await loading;
  loading = null;
  if (again) {
    again = false;
    await refresh();
  }
}

function listen() {
  const events = new EventSource("/ui/events");
  events.onopen = () => {
    page.live = true;
    refresh();
  };
  events.onerror = () => {
    page.live = false;
    page.redraw();
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
  events.onmessage = (event) => {
    if (JSON.parse(event.data).version !== page.state?.version) refresh();
  };
}

patch(root, []);
listen();
// Ages of messages and typing signs move on without any change on the server.
setInterval(() => page.redraw(), 5000);

// The client's Slack: channels on the left, then the channel or an open thread; modals and questions lie above.
import { act, avatar, clock, day, draft, emptyField, grow, keepDraft, kept, onEnter, page, picker, toast, toasts, upload } from "./core.js";
import { blocks } from "./blockkit.js";
import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { mrkdwn } from "./mrkdwn.js";

const ui = kept("slack", { team: null, channel: null, thread: null, as: {}, edit: null, asking: null, home: false, files: [], answers: new Map(), sending: null }, "team", "channel", "thread", "as");
const seen = new Map();
const heard = new Map();

export function slack() {
  const teams = page.state.slack.teams;
  const team = teams.find((one) => one.id === ui.team) || teams[0];
  if (!team) return h("section", { class: "face sl" }, bar(null, []), h("p", { class: "empty" }, "No workspace yet."));
  const people = team.users.filter((user) => !user.is_bot);
  const me = people.find((user) => user.id === ui.as[team.id]) || people[0] || { id: "", name: "" };
  ui.as[team.id] = me.id;
  const world = { team, me, names: namer(team) };
  const channels = team.channels.filter((channel) => mine(channel, me));
  const channel = channels.find((one) => one.id === ui.channel) || channels[0];
  remember(team, channel);
  listenTo(team);
  return h("section", { class: "face sl", "data-testid": "slack" }, bar(team, people, me), toasts("slack"),
    h("div", { class: "split" }, sidebar(world, teams, channels, channel), ui.home ? home(world) : channel ? pane(world, channel) : h("p", { class: "empty" }, "No channel yet.")),
    modal(world), ui.asking && question());
}

function namer(team) {
  const names = new Map([...team.users, ...team.channels].map((one) => [one.id, one.name]));
  return (id) => names.get(id) || id;
}

const mine = (channel, me) => channel.members.includes(me.id);

function bar(team, people, me) {
  return h("div", { class: "bar" }, h("span", { class: "what" }, "Slack"),
    team && picker("as", "sl-as", people, me.id, (id) => { ui.as[team.id] = id; ui.edit = null; ui.files = []; page.redraw(); }));
}

function remember(team, open) {
  for (const channel of team.channels) {
    const first = !seen.has(channel.id);
    if (first || (channel === open && !ui.thread && !ui.home)) seen.set(channel.id, channel.messages.at(-1)?.ts || "0");
    if (!first && channel !== open) continue;
    for (const message of channel.messages) if (first || message.thread_ts === ui.thread) seen.set(`${channel.id}:${message.thread_ts || message.ts}`, message.ts);
  }
}

const visible = (message, me) => !message.ephemeral_for || message.ephemeral_for === me.id;

const isRoot = (message) => !message.thread_ts || message.thread_ts === message.ts || message.broadcast;

function unread(channel, me) {
  return channel.messages.filter((message) => visible(message, me) && message.ts > (seen.get(channel.id) || "0") && message.user?.id !== me.id).length;
}

function sidebar(world, teams, channels, open) {
  const { team, me } = world;
  return h("nav", { class: "channels" },
    teams.length > 1
      ? h("select", { "data-testid": "sl-team", initial: team.id, on: { change: (event) => { ui.team = event.target.value; ui.channel = ui.thread = null; page.redraw(); } } }, teams.map((one) => h("option", { key: one.id, value: one.id }, one.name)))
      : h("h2", null, team.name),
    channels.map((channel) => {
      const fresh = channel === open && !ui.home ? 0 : unread(channel, me);
      const name = channel.kind === "im" ? "App messages" : channel.name;
      return h("button", {
        key: channel.id, class: `channel${channel === open && !ui.home ? " open" : ""}${fresh ? " unread" : ""}`, "data-testid": `sl-channel-${channel.id}`,
        on: { click: () => { Object.assign(ui, { channel: channel.id, thread: null, home: false, edit: null }); page.redraw(); } },
      }, h("span", null, channel.kind === "im" ? "✉" : "#"), name, fresh > 0 && h("span", { class: "count" }, fresh));
    }),
    h("button", { key: "home", class: `channel${ui.home ? " open" : ""}`, "data-testid": "sl-home", on: { click: () => openHome(world) } }, h("span", null, "⌂"), "App home"),
    h("div", { class: "people" }, team.users.filter((user) => !user.is_bot).map((user) => h("span", { key: user.id, class: user.id === me.id ? "me" : "" }, h("i", null, "●"), user.name))));
}

async function openHome({ team, me }) {
  Object.assign(ui, { home: true, thread: null });
  page.redraw();
  await act("slack/open_home", { team: team.id, user: me.id });
}

function home(world) {
  const { team, me } = world;
  const shown = team.homes.find((one) => one.user === me.id);
  return h("div", { class: "pane" }, h("div", { class: "title" }, h("b", null, "App home")),
    h("div", { class: "messages" }, shown ? h("div", { class: "home", key: shown.id }, blocks(shown.view.blocks, viewContext(world, shown))) : h("p", { class: "empty" }, "The app shows nothing here.")));
}

function pane(world, channel) {
  const parent = ui.thread && channel.messages.find((message) => message.ts === ui.thread);
  return parent ? thread(world, channel, parent) : wall(world, channel);
}

function wall(world, channel) {
  const roots = channel.messages.filter((message) => isRoot(message) && visible(message, world.me));
  return h("div", { class: "pane", key: channel.id },
    h("div", { class: "title" }, h("b", null, channel.kind === "im" ? "App messages" : `# ${channel.name}`)),
    h("div", { class: "messages", stick: channel.id, "data-testid": "sl-messages" },
      !roots.length && h("p", { class: "empty" }, "Quiet here. The desk writes when a reply needs your word."),
      dated(roots, (message) => post(world, channel, message))),
    composer(world, channel, null));
}

function thread(world, channel, parent) {
  const replies = channel.messages.filter((message) => message.thread_ts === parent.ts && message.ts !== parent.ts && visible(message, world.me));
  return h("div", { class: "pane thread", key: `${channel.id}:${parent.ts}`, "data-testid": "sl-thread" },
    h("div", { class: "title" },
      h("button", { title: "Back to the channel", "data-testid": "sl-thread-close", on: { click: () => openThread(null) } }, "←"),
      h("b", null, "Thread"), h("span", { class: "note" }, channel.kind === "im" ? "App messages" : `# ${channel.name}`)),
    h("div", { class: "messages", stick: parent.ts, "data-testid": "sl-thread-messages" },
      post(world, channel, parent, true),
      h("div", { class: "replies", key: "line" }, count(replies)),
      dated(replies, (message) => post(world, channel, message, true), day(Number(parent.ts)))),
    composer(world, channel, parent.ts));
}

function dated(messages, draw, date = "") {
  return messages.flatMap((message) => {
    const today = day(Number(message.ts));
    const fresh = today !== date && (date = today);
    return [fresh && h("div", { key: `day-${date}`, class: "day" }, h("span", null, date)), draw(message)];
  });
}

function post(world, channel, message, inThread = false) {
  const author = message.user || { id: "", name: "Slack" };
  return h("div", { key: message.ts, class: `post${message.ephemeral_for ? " private" : ""}`, "data-testid": `sl-msg-${message.ts}` },
    avatar(author.name, "square"),
    h("div", { class: "body" },
      message.ephemeral_for && h("div", { class: "hidden-note" }, "Only visible to you"),
      h("div", { class: "by" }, h("b", null, author.name), author.is_bot && h("i", null, "APP"), h("time", null, clock(Number(message.ts))), message.edited && h("span", { class: "edited" }, "edited"), message.pinned && h("span", { class: "pinned" }, "📌 pinned")),
      ui.edit === message.ts ? editor(world, channel, message) : content(world, channel, message),
      (message.files || []).map((file) => h("a", { key: file.id, class: "file", href: file.url || file.url_private || "#", target: "_blank", rel: "noopener", "data-testid": "sl-file" }, "📄 ", file.name)),
      reactions(message),
      !inThread && !message.ephemeral_for && summary(channel, message, world.me)),
    tools(world, channel, message, inThread));
}

function content(world, channel, message) {
  const body = message.blocks?.length ? blocks(message.blocks, messageContext(world, channel, message)) : h("div", { class: "bk-text" }, mrkdwn(message.text || "", world.names));
  return h("div", { class: "content", key: "content" }, body);
}

function reactions(message) {
  const given = Object.entries(message.reactions || {});
  return given.length > 0 && h("div", { class: "reactions" }, given.map(([name, users]) => h("span", { key: name }, emoji(name), " ", users.length)));
}

const count = (replies) => `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`;

function summary(channel, message, me) {
  const replies = channel.messages.filter((one) => one.thread_ts === message.ts && one.ts !== message.ts && visible(one, me));
  const fresh = replies.filter((one) => one.ts > (seen.get(`${channel.id}:${message.ts}`) || "0") && one.user?.id !== me.id).length;
  if (!replies.length) return null;
  return h("button", { class: "summary", "data-testid": "sl-thread-open", on: { click: () => openThread(message.ts) } },
    count(replies), fresh > 0 && h("span", { class: "count", "data-testid": "sl-unread" }, `${fresh} new`),
    h("time", null, `last at ${clock(Number(replies.at(-1).ts))}`));
}

function openThread(ts) {
  Object.assign(ui, { thread: ts, edit: null, files: [] });
  page.redraw();
}

function tools(world, channel, message, inThread) {
  if (message.ephemeral_for || ui.edit === message.ts) return null;
  const own = message.user?.id === world.me.id;
  const shortcut = () => act("slack/shortcut", { team: world.team.id, user: world.me.id, channel: channel.id, ts: message.ts, callback_id: "make_case" });
  const bare = !inThread && !channel.messages.some((one) => one.thread_ts === message.ts && one.ts !== message.ts);
  return h("div", { class: "tools" },
    bare && h("button", { title: "Reply in thread", "data-testid": "sl-thread-open", on: { click: () => openThread(message.ts) } }, "💬"),
    own && h("button", { title: "Edit", "data-testid": "sl-edit", on: { click: () => { ui.edit = message.ts; keepDraft(`sl-edit-${message.ts}`, decodeTyped(message.text, world)); page.redraw(); } } }, "✎"),
    h("button", { title: "Message shortcut: Make a case", "data-testid": "sl-shortcut", on: { click: shortcut } }, "⚡"));
}

/** Stored text back to what the person typed. */
function decodeTyped(text, world) {
  return text.replace(/<@([A-Z0-9]+)(?:\|[^>]*)?>/g, (whole, id) => `@${world.names(id)}`)
    .replace(/<([^|>]+)\|([^>]*)>/g, "$2").replace(/<([^>]+)>/g, "$1")
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function editor(world, channel, message) {
  const name = `sl-edit-${message.ts}`;
  const close = () => { ui.edit = null; keepDraft(name, ""); page.redraw(); };
  const save = async () => {
    if (await act("slack/edit", { team: world.team.id, user: world.me.id, channel: channel.id, ts: message.ts, text: draft(name) })) close();
  };
  return h("div", { class: "inline", key: "editor" },
    h("textarea", { rows: 2, initial: draft(name), autofocus: true, "data-testid": "sl-edit-input", on: { input: (event) => { page.drafts.set(name, event.target.value); grow(event.target); }, keydown: onEnter(save) } }),
    h("div", { class: "row end" }, h("button", { on: { click: close } }, "Cancel"), h("button", { class: "primary", "data-testid": "sl-edit-save", on: { click: save } }, "Save")));
}

function composer(world, channel, threadTs) {
  const name = `sl-${channel.id}-${threadTs || ""}`;
  const send = () => write(world, channel, threadTs, name);
  return h("div", { class: "compose" },
    ui.files.length > 0 && h("div", { class: "context" }, h("span", null, h("b", null, "Attached"), ui.files[0].name), h("button", { title: "Remove", on: { click: () => { ui.files = []; page.redraw(); } } }, "✕")),
    h("div", { class: "inputs" },
      h("label", { class: "clip", title: "Attach a file" }, "+", h("input", { type: "file", "data-testid": "sl-file-input", on: { change: (event) => attach(event.target) } })),
      h("textarea", {
        key: name, rows: 1, initial: draft(name), "aria-label": "Message", placeholder: threadTs ? "Reply… (@desk to command)" : `Message ${channel.kind === "im" ? "the app" : `#${channel.name}`}`, "data-testid": "sl-input",
        on: { input: (event) => { keepDraft(name, event.target.value); grow(event.target); }, keydown: onEnter(send) },
      }),
      h("button", { class: "send", title: "Send", "data-testid": "sl-send", on: { click: send } }, "➤")));
}

function attach(input) {
  const chosen = input.files[0];
  if (!chosen) return;
  ui.files = [chosen];
  input.value = "";
  page.redraw();
}

async function write(world, channel, threadTs, name) {
  const text = draft(name).trim();
  if (!text && !ui.files.length) return;
  const who = { team: world.team.id, user: world.me.id, channel: channel.id };
  const slash = text.match(/^(\/[a-z0-9_-]+)(?:\s+([\s\S]*))?$/i);
  if (slash && threadTs) {
    toast(`${slash[1]} is not supported in threads. Write @desk … instead.`, { face: "slack", bad: true });
    return;
  }
  keepDraft(name, "");
  emptyField("sl-input");
  const sent = slash
    ? await act("slack/command", { ...who, command: slash[1], text: slash[2] || "" })
    : await speak({ ...who, text, thread_ts: threadTs });
  if (sent) ui.files = [];
  else restore(name, text);
  page.redraw();
}

const speak = (body) => (ui.files.length ? upload("slack", body, ui.files[0]) : act("slack/write", body));

function restore(name, text) {
  if (draft(name)) return;
  keepDraft(name, text);
  const field = document.querySelector('[data-testid="sl-input"]');
  if (field) field.value = text;
}

/** What Slack's own client says, as when an app does not acknowledge in time. Old words are not said again. */
function listenTo(team) {
  if (!heard.has(team.id)) heard.set(team.id, team.alerts.length);
  for (const note of team.alerts.slice(heard.get(team.id))) setTimeout(() => toast(note.text, { face: "slack", bad: true }));
  heard.set(team.id, team.alerts.length);
}

function messageContext(world, channel, message) {
  const press = (block, one, value) => confirmed(one, () => act("slack/press", {
    team: world.team.id, user: world.me.id, channel: channel.id, ts: message.ts, action_id: one.action_id, block_id: block.block_id, value, stale: true,
  }));
  return { names: world.names, users: world.team.users, press };
}

function viewContext(world, shown) {
  const press = (block, one, value) => confirmed(one, () => act("slack/press_in_view", {
    team: world.team.id, user: world.me.id, view_id: shown.id, action_id: one.action_id, block_id: block.block_id, value, values: valuesOf(shown),
  }));
  if (!ui.answers.has(shown.id)) ui.answers.set(shown.id, new Map());
  return { names: world.names, users: world.team.users, press, answers: ui.answers.get(shown.id), errors: shown.errors || {} };
}

function confirmed(one, go) {
  if (!one.confirm) return go();
  ui.asking = { confirm: one.confirm, go };
  return page.redraw();
}

function question() {
  const { confirm, go } = ui.asking;
  const close = (then) => () => { ui.asking = null; page.redraw(); then?.(); };
  return h("div", { class: "veil" }, h("div", { class: "dialog", role: "alertdialog", "data-testid": "sl-confirm" }, h("h3", null, confirm.title.text), h("p", null, mrkdwn(confirm.text.text, String)),
    h("div", { class: "row end" }, h("button", { "data-testid": "sl-confirm-deny", on: { click: close() } }, confirm.deny.text),
      h("button", { class: confirm.style === "danger" ? "primary danger" : "primary", "data-testid": "sl-confirm-ok", autofocus: true, on: { click: close(go) } }, confirm.confirm.text))));
}

function modal(world) {
  const shown = world.team.views.filter((one) => one.user === world.me.id).at(-1);
  if (!shown) return null;
  const { view } = shown;
  const close = () => act("slack/close_view", { team: world.team.id, user: world.me.id, view_id: shown.id });
  const submit = (event) => { event.preventDefault(); submitView(world, shown); };
  return h("div", { class: "veil", key: "modal" }, h("form", { key: shown.id, class: "dialog modal", role: "dialog", "data-testid": "sl-modal", novalidate: true, on: { submit } },
    h("div", { class: "title" }, h("h3", null, view.title?.text || ""), h("button", { type: "button", title: "Close", "data-testid": "sl-modal-x", on: { click: close } }, "✕")),
    h("div", { class: "fields" }, blocks(view.blocks || [], viewContext(world, shown))),
    h("div", { class: "row end" }, h("button", { type: "button", "data-testid": "sl-modal-close", on: { click: close } }, view.close?.text || "Close"),
      view.submit && h("button", { class: "primary", "data-testid": "sl-modal-submit", disabled: ui.sending === shown.id }, view.submit.text))));
}

function valuesOf(shown) {
  const values = {};
  for (const [path, value] of ui.answers.get(shown.id) || []) {
    const cut = path.lastIndexOf("/");
    (values[path.slice(0, cut)] ||= {})[path.slice(cut + 1)] = value;
  }
  return values;
}

async function submitView(world, shown) {
  ui.sending = shown.id;
  page.redraw();
  // What is wrong with the fields comes back with the view, next to them.
  await act("slack/submit", { team: world.team.id, user: world.me.id, view_id: shown.id, values: valuesOf(shown) }, { quiet: true });
  ui.sending = null;
  page.redraw();
}

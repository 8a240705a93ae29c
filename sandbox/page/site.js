// The review site: a store page with a form for a new review, the reviews and the official replies.
import { act, ago, avatar, draft, emptyField, grow, keepDraft, page, toasts } from "./core.js";
import { h } from "./dom.js";

const ui = { package: null, stars: 0, editing: null, replying: null, sending: false };
const LANGUAGES = [["ru", "Русский"], ["kk", "Қазақша"], ["en", "English"]];

export function site() {
  const apps = page.state.site.apps;
  const app = apps.find((one) => one.package === ui.package) || apps[0];
  return h("section", { class: "face site", "data-testid": "site" },
    h("div", { class: "bar" }, h("span", { class: "what" }, "Review site"), h("span", { class: "who" }, "customers")),
    toasts("site"),
    app ? store(app, apps) : h("p", { class: "empty" }, "No app yet."));
}

function store(app, apps) {
  return h("div", { class: "scroll", key: app.package },
    apps.length > 1 && h("div", { class: "tabs" }, apps.map((one) =>
      h("button", { key: one.package, class: one === app ? "chosen" : "", on: { click: () => { ui.package = one.package; page.redraw(); } } }, one.title))),
    h("div", { class: "app" },
      h("span", { class: "icon", "aria-hidden": "true" }, app.title.slice(0, 1)),
      h("div", null, h("h2", null, app.title), h("p", null, app.package))),
    score(app.reviews),
    form(app),
    h("div", { class: "reviews" }, app.reviews.map((review) => card(app, review))),
    !app.reviews.length && h("p", { class: "empty" }, "No reviews yet. Be the first."));
}

function score(reviews) {
  const mean = reviews.length ? reviews.reduce((sum, review) => sum + review.stars, 0) / reviews.length : 0;
  return h("div", { class: "score" },
    h("div", { class: "mean" }, h("b", null, reviews.length ? mean.toFixed(1) : "–"), stars(Math.round(mean)),
      h("span", null, `${reviews.length} ${reviews.length === 1 ? "review" : "reviews"}`)),
    h("div", { class: "bars" }, [5, 4, 3, 2, 1].map((count) => {
      const share = reviews.length ? reviews.filter((review) => review.stars === count).length / reviews.length : 0;
      return h("div", { key: count }, h("span", null, count), h("i", null, h("u", { style: `width:${share * 100}%` })));
    })));
}

const stars = (count) => h("span", { class: "stars", "aria-label": `${count} of 5` },
  h("span", null, "★".repeat(count)), h("span", { class: "off" }, "★".repeat(5 - count)));

function choice(chosen, choose, testid) {
  return h("div", { class: "choose", role: "radiogroup", "aria-label": "Stars" }, [1, 2, 3, 4, 5].map((count) =>
    h("button", {
      key: count, type: "button", role: "radio", "aria-checked": String(count === chosen), "aria-label": `${count} of 5`,
      class: count <= chosen ? "on" : "", "data-testid": `${testid}-${count}`,
      on: { click: () => { choose(count); page.redraw(); } },
    }, "★")));
}

function form(app) {
  return h("form", { class: "leave", on: { submit: (event) => { event.preventDefault(); leave(app); } } },
    h("h3", null, "Rate this app"),
    choice(ui.stars, (count) => { ui.stars = count; }, "site-stars"),
    h("div", { class: "row" },
      field("input", "author", "Your name", { "data-testid": "site-author", maxlength: 60, autocomplete: "off" }),
      h("select", { "data-testid": "site-lang", "aria-label": "Language", on: { change: (event) => { ui.lang = event.target.value; } } },
        LANGUAGES.map(([code, name]) => h("option", { key: code, value: code }, name)))),
    field("textarea", "text", "Tell others what happened", { "data-testid": "site-text", rows: 2 }),
    h("div", { class: "row end" },
      h("span", { class: "hint" }, ui.stars ? "" : "Choose the stars first"),
      h("button", { class: "primary", "data-testid": "site-submit", disabled: !ui.stars || ui.sending }, "Post review")));
}

function field(tag, name, placeholder, more) {
  return h(tag, {
    placeholder, "aria-label": placeholder, initial: draft(`site-${name}`), ...more,
    on: { input: (event) => { keepDraft(`site-${name}`, event.target.value); if (tag === "textarea") grow(event.target); } },
  });
}

async function leave(app) {
  if (!ui.stars || ui.sending) return;
  ui.sending = true;
  page.redraw();
  const review = { author: draft("site-author"), text: draft("site-text"), stars: ui.stars, lang: ui.lang || "ru" };
  const done = await act("site/leave", { package: app.package, ...review });
  ui.sending = false;
  if (done) {
    ui.stars = 0;
    keepDraft("site-text", "");
    emptyField("site-text");
  }
  page.redraw();
}

function card(app, review) {
  return h("article", { key: review.id, class: "review", "data-testid": `site-review-${review.id}` },
    h("div", { class: "head" }, avatar(review.author), h("b", null, review.author), more(review)),
    h("div", { class: "meta" }, stars(review.stars), h("span", null, ago(review.at)), review.edited && h("span", null, "edited"),
      h("a", { href: `/site/${encodeURIComponent(app.package)}#${encodeURIComponent(review.id)}`, target: "_blank", rel: "noopener", title: "Public page" }, "↗")),
    ui.editing === review.id ? editor(review) : words(review.text),
    review.reply && h("div", { class: "reply", "data-testid": "site-reply" },
      h("div", { class: "head" }, h("b", null, app.title), h("span", null, ago(review.reply.at))), h("p", null, review.reply.text)),
    ui.replying === review.id && consoleForm(review));
}

function words(text) {
  const [title, ...rest] = text.split("\t");
  if (!text) return h("p", { class: "none", title: "As Google Play's interface does" }, "Stars only, no text: the desk is not told of these");
  if (!rest.length) return h("p", null, text);
  return h("p", null, h("b", null, title), "\n", rest.join(" "));
}

function more(review) {
  const open = (name) => () => { ui[name] = ui[name] === review.id ? null : review.id; ui.stars2 = review.stars; page.redraw(); };
  return h("span", { class: "tools" },
    h("button", { title: "Edit, as its author", "data-testid": "site-edit", on: { click: open("editing") } }, "✎"),
    h("button", { title: "Reply in the console, as a colleague", "data-testid": "site-console", on: { click: open("replying") } }, "↩"),
    h("button", { title: "Delete, as its author", "data-testid": "site-delete", on: { click: () => act("site/delete_review", { review_id: review.id }) } }, "✕"));
}

function editor(review) {
  const name = `edit-${review.id}`;
  const save = async () => {
    const text = page.drafts.has(name) ? draft(name) : review.text;
    if (await act("site/edit_review", { review_id: review.id, stars: ui.stars2, text })) close();
  };
  const close = () => { ui.editing = null; keepDraft(name, ""); page.redraw(); };
  return h("div", { class: "inline" }, choice(ui.stars2, (count) => { ui.stars2 = count; }, "site-edit-stars"),
    small(name, review.text, "site-edit-text"),
    h("div", { class: "row end" }, h("button", { on: { click: close } }, "Cancel"),
      h("button", { class: "primary", "data-testid": "site-edit-save", on: { click: save } }, "Save")));
}

function consoleForm(review) {
  const name = `console-${review.id}`;
  const send = async () => {
    if (!await act("site/official_reply", { review_id: review.id, text: draft(name) })) return;
    ui.replying = null;
    keepDraft(name, "");
    page.redraw();
  };
  return h("div", { class: "inline" }, small(name, "", "site-console-text", "Reply past the desk, as a colleague would in the console"),
    h("div", { class: "row end" }, h("button", { class: "primary", "data-testid": "site-console-send", on: { click: send } }, "Publish")));
}

function small(name, initial, testid, placeholder = "") {
  return h("textarea", {
    rows: 3, placeholder, initial: page.drafts.has(name) ? draft(name) : initial, autofocus: true, "data-testid": testid,
    on: { input: (event) => { page.drafts.set(name, event.target.value); grow(event.target); } },
  });
}

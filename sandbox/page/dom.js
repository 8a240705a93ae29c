// A small keyed redraw: elements stay the same objects across draws, so focus, scroll, selection and typed text stay too.

/**
 * Describes an element. `props`: class, key, on {event: handler}, html (only for markup made safe by a face),
 * initial (value of a field when it is made), stick (keep the scroll at the end while it is there), plain attributes.
 */
export function h(tag, props, ...children) {
  const kids = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  return { tag, props: props || {}, key: props?.key, kids: kids.map((kid) => (kid.tag ? kid : { tag: "#text", text: String(kid) })) };
}

const SPECIAL = new Set(["key", "on", "html", "initial", "stick", "class", "autofocus", "checked", "selected"]);

export function patch(parent, kids) {
  const found = take(parent, kids);
  for (const leftover of found.leftovers) leftover.remove();
  let cursor = parent.firstChild;
  kids.forEach((kid, index) => {
    const node = found.nodes[index] || create(kid);
    update(node, kid);
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
    if (!found.nodes[index] && kid.props?.autofocus) node.focus();
  });
}

function take(parent, kids) {
  const old = new Map();
  const counts = {};
  for (const node of parent.childNodes) old.set(slot(node.described || { tag: "?" }, counts), node);
  const fresh = {};
  const nodes = kids.map((kid) => {
    const name = slot(kid, fresh);
    const node = old.get(name);
    old.delete(name);
    return node;
  });
  return { nodes, leftovers: [...old.values()] };
}

function slot(described, counts) {
  if (described.key !== undefined) return `${described.tag}=${described.key}`;
  counts[described.tag] = (counts[described.tag] || 0) + 1;
  return `${described.tag}#${counts[described.tag]}`;
}

function create(kid) {
  if (kid.tag === "#text") return document.createTextNode(kid.text);
  const node = document.createElement(kid.tag);
  node.handlers = {};
  if (kid.props.type !== undefined) node.setAttribute("type", kid.props.type);
  if (kid.props.checked) node.checked = true;
  if (kid.props.selected) node.setAttribute("selected", "");
  if (kid.props.initial !== undefined && kid.tag !== "select") node.value = kid.props.initial;
  return node;
}

function update(node, kid) {
  const before = node.described;
  node.described = kid;
  if (kid.tag === "#text") {
    if (node.data !== kid.text) node.data = kid.text;
    return;
  }
  const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 60;
  attributes(node, before?.props || {}, kid.props);
  if (kid.props.html === undefined) patch(node, kid.kids);
  else if (before?.props.html !== kid.props.html) node.innerHTML = kid.props.html;
  if (!before && kid.tag === "select" && kid.props.initial !== undefined) node.value = kid.props.initial;
  if (kid.props.stick !== undefined) stick(node, before, kid, atEnd);
}

function stick(node, before, kid, atEnd) {
  if (before?.props.stick === kid.props.stick && !atEnd) return;
  node.scrollTop = node.scrollHeight;
  // The first draw happens before the element is in the document and has a height.
  if (!before) requestAnimationFrame(() => { node.scrollTop = node.scrollHeight; });
}

function attributes(node, before, props) {
  if (before.class !== props.class) node.className = props.class || "";
  for (const name of Object.keys(before)) if (!SPECIAL.has(name) && !(name in props)) node.removeAttribute(name);
  for (const [name, value] of Object.entries(props)) {
    if (SPECIAL.has(name) || before[name] === value) continue;
    if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, handler] of Object.entries(props.on || {})) {
    if (!node.handlers[event]) node.addEventListener(event, (it) => node.handlers[event](it));
    node.handlers[event] = handler;
  }
}

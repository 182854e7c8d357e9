// Small words for making elements and for showing numbers.

const SVG = "http://www.w3.org/2000/svg";

// h makes an HTML element: h("a", {href: "/"}, "text", otherElement).
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// s makes an SVG element.
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

// section makes a titled part of the page; hidden until it has something to show.
export function section(id, title, ...children) {
  return h("section", { id, "aria-labelledby": `${id}-title`, hidden: true }, h("h2", { id: `${id}-title` }, title), ...children);
}

// scroller holds what may be wider than a small screen; it can be scrolled by keyboard.
export function scroller(label, attributes, ...children) {
  return h("div", { tabindex: "0", role: "region", "aria-label": label, ...attributes, class: `wide ${attributes.class ?? ""}`.trim() }, ...children);
}

// header makes a table's head; "#" before a name is a column of numbers.
export function header(names) {
  const cell = (name) => h("th", { scope: "col", class: name.startsWith("#") ? "n" : null }, name.replace("#", ""));
  return h("thead", {}, h("tr", {}, names.map(cell)));
}

export function number(value) {
  if (value == null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

export function bytes(value) {
  if (value == null) return "–";
  let size = value;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1024) return `${unit === "B" ? size : size.toFixed(1)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} TiB`;
}

export function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 90) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

// fetchJSON gets JSON, or throws the server's own sentence.
export async function fetchJSON(path, options) {
  const response = await fetch(path, options);
  const body = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `${path} answered ${response.status}`);
  return body;
}

// objectURL is where the page's server hands out an object of the bucket.
export function objectURL(key, download = false) {
  return "/_sandbox/objects/" + key.split("/").map(encodeURIComponent).join("/") + (download ? "?download" : "");
}

// follow reads server-sent events and shows when the server is gone.
export function follow(path, handlers) {
  const banner = document.getElementById("offline");
  const source = new EventSource(path);
  source.onopen = () => { banner.hidden = true; };
  source.onerror = () => { banner.hidden = false; };
  for (const [event, handle] of Object.entries(handlers)) {
    source.addEventListener(event, (message) => handle(JSON.parse(message.data)));
  }
  return source;
}

// The client of RESTCONF (RFC 8040). The login is kept in memory only: a reload asks again.

import { JsonStream } from "./stream.js";

const ROOT = "/restconf";
const JSON_TYPE = "application/yang-data+json";
let login = null; // {user, header}

export class Refused extends Error {
  constructor(status, errors) {
    super(errors.map((error) => error["error-message"] ?? error["error-tag"]).join("; ") || `HTTP ${status}`);
    this.status = status;
    this.errors = errors;
  }
}

export const user = () => login?.user;
export const logOut = () => { login = null; };

/** With a password, or with the certificate the browser has for this server. */
export async function logIn(name, password) {
  const raw = new TextEncoder().encode(`${name}:${password}`);
  login = name ? { user: name, header: `Basic ${btoa(String.fromCharCode(...raw))}` } : { user: "certificate", header: null };
  try {
    await get("");
  } catch (fault) {
    login = null;
    throw fault;
  }
}

async function request(method, target, body, accept = JSON_TYPE, signal) {
  const headers = { Accept: accept };
  if (login?.header) headers.Authorization = login.header;
  if (body !== undefined) headers["Content-Type"] = JSON_TYPE;
  const response = await fetch(ROOT + target, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    // Without credentials the browser asks for no password of its own; with a certificate it needs them.
    credentials: login?.header ? "omit" : "same-origin",
    cache: "no-store",
    signal,
  });
  if (response.ok) return response;
  let errors = [];
  try {
    const content = await response.json();
    errors = content["ietf-restconf:errors"]?.error ?? [];
  } catch { /* no errors resource: the status says it */ }
  throw new Refused(response.status, errors);
}

const content = async (response) => (response.status === 204 ? null : response.json());
export const get = async (target) => content(await request("GET", target));
export const put = async (target, body) => content(await request("PUT", target, body));
export const remove = async (target) => content(await request("DELETE", target));

/** An operation ("module:name") or an action (a path below /data); its output. */
export async function call(operation, input) {
  const isAction = operation.startsWith("/");
  const target = isAction ? operation : `/operations/${operation}`;
  const last = operation.split("/").at(-1);
  const module = last.includes(":") ? last.split(":")[0] : [...operation.matchAll(/\/([\w-]+):/g)].at(-1)[1];
  const body = input === undefined ? undefined : { [`${module}:input`]: input };
  const found = await content(await request("POST", target, body));
  return found === null ? {} : found[`${module}:output`] ?? Object.values(found)[0];
}

/** A resource read piece by piece: ``found(entry, above)`` for each entry of the lists of that name. */
export async function each(target, list, found, signal) {
  const response = await request("GET", target, undefined, JSON_TYPE, signal);
  const parser = new JsonStream(list, found);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    parser.feed(value);
  }
}

/** The event stream, for as long as it lasts: ``heard(name, content, time)``. */
export async function events(heard, opened, signal) {
  const response = await request("GET", "/streams/NETCONF/json", undefined, "text/event-stream", signal);
  opened();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (!data) continue;
      const { eventTime, ...rest } = JSON.parse(data)["ietf-restconf:notification"];
      for (const [name, content] of Object.entries(rest)) heard(name, content, eventTime);
    }
  }
}

/** A key as it stands in a path. */
export const key = (text) => encodeURIComponent(text);

import { unzip } from "unzipit";

/** Capabilities are what the form shows of a package before it is sent. The hub reads the package itself and decides. */
export type Capabilities = { framework: string; version: string; display_name: string; description: string };

const largest = 1 << 20; // as the hub takes it

/** read finds capabilities.json as the hub does: at the top of the zip, or in its only folder. */
export async function read(file: Blob): Promise<Capabilities> {
  const { entries } = await unzip(file).catch(() => { throw new Error("It is no zip: zip the folder that has train.py."); });
  const depth = (name: string) => name.split("/").length - 1;
  const found = Object.values(entries)
    .filter((e) => !e.isDirectory && depth(e.name) <= 1 && !e.name.startsWith("__MACOSX/") && e.name.split("/").at(-1) === "capabilities.json")
    .sort((a, b) => depth(a.name) - depth(b.name))[0];
  if (!found) throw new Error("capabilities.json is missing: it must be at the top of the zip, or in its only folder.");
  if (found.size > largest) throw new Error(`capabilities.json has more than ${largest} bytes.`);
  let inside: unknown;
  try {
    inside = JSON.parse(await bounded(await found.stream()));
  } catch {
    throw new Error("capabilities.json cannot be read as JSON.");
  }
  const word = (name: string) => {
    const value = (inside as Record<string, unknown> | null)?.[name];
    return typeof value === "string" ? value : "";
  };
  return { framework: word("framework"), version: word("version"), display_name: word("display_name"), description: word("description") };
}

/** bounded reads a stream as text; the size that a zip states may be a lie. */
async function bounded(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let bytes = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    if ((bytes += value.length) > largest) {
      await reader.cancel();
      throw new Error("too large");
    }
    text += decoder.decode(value, { stream: true });
  }
}

// Reading ZIP files, as far as the server writes them: their directory stands at the end, and names each file's place.
// Source: PKWARE APPNOTE.TXT 4.3.7, 4.3.12 and 4.3.16.
import { inflateRawSync } from "node:zlib";

/** The files in one, by name. */
export function unzip(zip: Buffer): Record<string, string> {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0) throw new Error("not a ZIP file");
  const files: Record<string, string> = {};
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, size, named, extra, comment, place] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 20),
      zip.readUInt16LE(at + 28),
      zip.readUInt16LE(at + 30),
      zip.readUInt16LE(at + 32),
      zip.readUInt32LE(at + 42),
    ];
    const name = zip.toString("utf8", at + 46, at + 46 + named);
    const from = place + 30 + zip.readUInt16LE(place + 26) + zip.readUInt16LE(place + 28);
    const content = zip.subarray(from, from + size);
    files[name] = (method === 0 ? content : inflateRawSync(content)).toString("utf8");
    at += 46 + named + extra + comment;
  }
  return files;
}

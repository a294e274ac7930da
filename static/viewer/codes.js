// Pixels of class codes to colours: the lowest byte is the class id, the next the confidence, the third the true class; 255 means none.

export const NO_CLASS = 255;
export const RAMP = [[0, 68, 27, 84], [0.3, 59, 82, 139], [0.55, 33, 145, 140], [0.8, 122, 209, 81], [1, 253, 231, 37]];
const UNSURE = [24, 24, 27];

const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const fromHex = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));

const KEPT_TILES = 120; // 1 MB each

// Tiles of codes by URL as Uint32Array, null where there is none; all panes of a layer share them.
export class DecodedTiles {
  constructor(size) { this.size = size; this.kept = new Map(); }

  clear() { this.kept.clear(); }

  get(url) {
    let found = this.kept.get(url);
    if (found) this.kept.delete(url);
    else {
      found = fetch(url)
        .then(answer => (answer.status === 200 ? answer.blob() : null))
        .then(blob => blob && createImageBitmap(blob, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' }))
        .then(bitmap => bitmap && this.numbers(bitmap));
      found.catch(() => this.kept.delete(url));
    }
    this.kept.set(url, found);
    if (this.kept.size > KEPT_TILES) this.kept.delete(this.kept.keys().next().value);
    return found;
  }

  numbers(bitmap) {
    this.scratch ??= new OffscreenCanvas(this.size, this.size).getContext('2d', { willReadFrequently: true });
    this.scratch.drawImage(bitmap, 0, 0);
    return new Uint32Array(this.scratch.getImageData(0, 0, this.size, this.size).data.buffer);
  }
}

// Colour of a fraction between 0 and 1, straight between the stops of RAMP.
export function rampColour(fraction) {
  const next = Math.max(1, RAMP.findIndex(stop => stop[0] >= fraction));
  const [low, high] = [RAMP[next - 1], RAMP[next]];
  const share = (fraction - low[0]) / (high[0] - low[0]);
  return [1, 2, 3].map(k => Math.round(low[k] + share * (high[k] - low[k])));
}

const ramp = Uint32Array.from({ length: 256 }, (_, value) => packed(rampColour(value / 255)));

// The least level (0-255) that passes a confidence of `threshold`.
export const cutOf = threshold => Math.ceil(threshold * 255 - 1e-9);

// Tables for `picture`: which classes are shown in which colours, from where on a pixel counts as sure, and how far
// (in pixels of the tile) an unsure one may take its neighbour's class; 0 leaves it hatched.
export function lookOf(classes, settings, errorColours, reach) {
  const colours = new Uint32Array(256), shown = new Uint8Array(256);
  classes.forEach((item, id) => {
    shown[id] = settings.hidden.includes(id) ? 0 : 1;
    colours[id] = packed(fromHex(item.colour));
  });
  const [right, wrong] = errorColours.map(colour => packed(fromHex(colour)));
  return { colours, shown, right, wrong, cut: cutOf(settings.threshold), reach: settings.unsure === 'neighbour' ? reach : 0 };
}

// Image of `size` x `size` codes (Uint32Array), painted as "classes", "confidence" or "error".
export function picture(codes, size, look, how) {
  const image = new ImageData(size, size);
  const out = new Uint32Array(image.data.buffer);
  const { colours, shown, right, wrong, cut, reach } = look;
  const unsure = packed(UNSURE);
  const ids = cut > 0 && reach > 0 && how !== 'confidence' ? filled(codes, size, cut, reach) : null;
  for (let i = 0; i < out.length; i += 1) {
    const code = codes[i], truth = (code >>> 16) & 255;
    let id = code & 255;
    if (id === NO_CLASS) continue;
    let sure = ((code >>> 8) & 255) >= cut;
    if (!sure && ids && ids[i] !== NO_CLASS) { id = ids[i]; sure = true; }
    if (how === 'error' ? truth === NO_CLASS || !(shown[id] || shown[truth]) : !shown[id]) continue;
    if (!sure) out[i] = ((i % size) + Math.floor(i / size)) & 6 ? 0 : unsure;
    else if (how === 'confidence') out[i] = ramp[(code >>> 8) & 255];
    else if (how === 'error') out[i] = id === truth ? right : wrong;
    else out[i] = colours[id];
  }
  return image;
}

// Class ids in which each unsure pixel has the class of the nearest sure one of this tile, 255 where that is too far.
// Two sweeps hand on the place of the nearest sure pixel, as in Danielsson's distance transform (1980).
// Borders of tiles are seams here; the file that is downloaded has none. The last answer is kept with the codes.
function filled(codes, size, cut, reach) {
  if (codes.kept && codes.kept.cut === cut && codes.kept.reach === reach) return codes.kept.ids;
  const near = new Int32Array(size * size).fill(-1);
  let doubts = 0;
  for (let i = 0; i < near.length; i += 1) {
    if ((codes[i] & 255) === NO_CLASS) continue;
    if (((codes[i] >>> 8) & 255) >= cut) near[i] = i;
    else doubts += 1;
  }
  const limit = reach * reach;
  let place = -1, distance = limit + 1;
  const offer = (row, col, from) => {
    const other = near[from];
    if (other < 0) return;
    const down = ((other / size) | 0) - row;
    const right = other - (down + row) * size - col;
    const away = down * down + right * right;
    if (away < distance) { place = other; distance = away; }
  };
  const sweep = (first, step) => {
    for (let n = 0, row = first; n < size; n += 1, row += step) {
      const line = row * size, above = n > 0 ? line - step * size : -1;
      for (let col = 0; col < size; col += 1) {
        const i = line + col;
        if (near[i] === i || (codes[i] & 255) === NO_CLASS) continue;
        place = -1;
        distance = limit + 1;
        offer(row, col, i);
        if (col > 0) offer(row, col, i - 1);
        if (above >= 0) {
          offer(row, col, above + col);
          if (col > 0) offer(row, col, above + col - 1);
          if (col < size - 1) offer(row, col, above + col + 1);
        }
        near[i] = place;
      }
      for (let col = size - 2; col >= 0; col -= 1) {
        const i = line + col;
        if (near[i] === i || near[i + 1] < 0 || near[i] === near[i + 1] || (codes[i] & 255) === NO_CLASS) continue;
        place = -1;
        distance = limit + 1;
        offer(row, col, i);
        offer(row, col, i + 1);
        near[i] = place;
      }
    }
  };
  if (doubts > 0) { sweep(0, 1); sweep(size - 1, -1); }
  const ids = Uint8Array.from(near, place => (place < 0 ? NO_CLASS : codes[place] & 255));
  codes.kept = { cut, reach, ids };
  return ids;
}

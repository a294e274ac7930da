// Pixels of class codes to colours: red is the class id, green the confidence, blue the true class; 255 means none.

export const NO_CLASS = 255;
export const RAMP = [[0, 68, 27, 84], [0.3, 59, 82, 139], [0.55, 33, 145, 140], [0.8, 122, 209, 81], [1, 253, 231, 37]];
export const RIGHT = [46, 139, 87];
export const WRONG = [208, 48, 48];
const UNSURE = [24, 24, 27];

const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const fromHex = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));

// Colour of a fraction between 0 and 1, straight between the stops of RAMP.
export function rampColour(fraction) {
  const next = Math.max(1, RAMP.findIndex(stop => stop[0] >= fraction));
  const [low, high] = [RAMP[next - 1], RAMP[next]];
  const share = (fraction - low[0]) / (high[0] - low[0]);
  return [1, 2, 3].map(k => Math.round(low[k] + share * (high[k] - low[k])));
}

const ramp = Uint32Array.from({ length: 256 }, (_, value) => packed(rampColour(value / 255)));

// Image of `size` x `size` codes (RGBA bytes), painted as "classes", "confidence" or "error".
// Classes in `settings.hidden` stay clear, pixels less certain than `settings.threshold` are hatched.
export function picture(codes, size, classes, settings, how) {
  const image = new ImageData(size, size);
  const out = new Uint32Array(image.data.buffer);
  const cut = Math.round(settings.threshold * 255);
  const colours = new Uint32Array(256), shown = new Uint8Array(256);
  classes.forEach((item, id) => {
    shown[id] = settings.hidden.includes(id) ? 0 : 1;
    colours[id] = packed(fromHex(item.colour));
  });
  const unsure = packed(UNSURE), right = packed(RIGHT), wrong = packed(WRONG);
  for (let i = 0, k = 0; i < out.length; i += 1, k += 4) {
    const id = codes[k], truth = codes[k + 2];
    if (id === NO_CLASS) continue;
    if (how === 'error' ? truth === NO_CLASS || !(shown[id] || shown[truth]) : !shown[id]) continue;
    if (codes[k + 1] < cut) out[i] = ((i % size) + Math.floor(i / size)) & 6 ? 0 : unsure;
    else if (how === 'confidence') out[i] = ramp[codes[k + 1]];
    else if (how === 'error') out[i] = id === truth ? right : wrong;
    else out[i] = colours[id];
  }
  return image;
}

// Pictures below the polygons: tiles of the scene, and tiles of the class raster from which hidden classes are taken out here.

import { element } from '../shared/element.js';

const { L } = window;
export const CLEAR = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

const ClassTiles = L.TileLayer.extend({
  createTile(coords, done) {
    const canvas = element('canvas', { width: this.options.tileSize, height: this.options.tileSize });
    const picture = new Image();
    picture.onload = () => {
      const pen = canvas.getContext('2d', { willReadFrequently: true });
      pen.drawImage(picture, 0, 0);
      canvas.glPixels = pen.getImageData(0, 0, canvas.width, canvas.height);
      this.paint(canvas);
      done(null, canvas);
    };
    picture.onerror = () => done(null, canvas); // nothing here: outside of the raster
    picture.src = this.getTileUrl(coords);
    return canvas;
  },
  // `colours` ("#rrggbb") are left clear.
  hide(colours) {
    this.hidden = new Set(colours.map(colour => parseInt(colour.slice(1), 16)));
    Object.values(this._tiles || {}).forEach(tile => this.paint(tile.el));
  },
  paint(canvas) {
    if (!canvas.glPixels) return;
    const shown = new ImageData(new Uint8ClampedArray(canvas.glPixels.data), canvas.width, canvas.height), out = shown.data;
    if (this.hidden?.size) {
      for (let k = 0; k < out.length; k += 4) if (this.hidden.has((out[k] << 16) | (out[k + 1] << 8) | out[k + 2])) out[k + 3] = 0;
    }
    canvas.getContext('2d').putImageData(shown, 0, 0);
  },
});

export function layerOf(map, picture) {
  const options = {
    tileSize: picture.tileSize, maxNativeZoom: picture.maxNativeZoom, minNativeZoom: 0, maxZoom: map.getMaxZoom(), minZoom: map.getMinZoom(),
    noWrap: true, attribution: picture.attribution || '', bounds: picture.bounds || undefined, zIndex: picture.base ? 1 : 5,
    // Base maps answer to those alone who say where they are shown; that is our address and no page's.
    referrerPolicy: 'strict-origin-when-cross-origin',
    errorTileUrl: CLEAR, opacity: picture.opacity ?? 1, pane: picture.base ? 'tilePane' : 'result',
  };
  if (picture.classes) return new ClassTiles(picture.url, options);
  return seamless(L.tileLayer(picture.url, options));
}

// Between zoom levels rounding leaves hairlines between tiles: each is drawn one pixel larger.
export function seamless(layer) {
  return layer.on('tileloadstart', ({ tile }) => { tile.style.width = tile.style.height = `${layer.options.tileSize + 1}px`; });
}

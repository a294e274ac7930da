// The answer as a layer of codes, coloured here. Tiles keep what they show until a newer answer is there: nothing flickers.

import { DecodedTiles, lookOf, picture } from '../viewer/codes.js';

export class Answers {
  constructor(data, map, options) {
    this.data = data;
    this.stamp = 0;
    this.decoded = new DecodedTiles(data.tilePx);
    const answers = this;
    const Layer = window.L.GridLayer.extend({
      createTile(coords, done) {
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = data.tilePx;
        answers.fetchTile(canvas, coords).then(() => done(null, canvas), error => done(error, canvas));
        return canvas;
      },
    });
    this.layer = new Layer({ ...options, className: 'codes' }).addTo(map);
  }

  async fetchTile(canvas, coords) {
    const { stamp } = this;
    const codes = await this.decoded.get(`${this.data.url}/answer/${coords.z}/${coords.x}/${coords.y}?stamp=${stamp}`);
    if (canvas.stamp > stamp) return;
    canvas.stamp = stamp;
    canvas.codes = codes;
    this.paint(canvas);
  }

  // Another answer is there: each tile is asked for again.
  renew(stamp) {
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    Object.values(this.layer._tiles).forEach(({ el, coords }) => this.fetchTile(el, coords).catch(() => {}));
  }

  // `colours` is a Map of class ids to "#rrggbb".
  recolour(colours) {
    const byId = [];
    colours.forEach((colour, id) => { byId[id] = { colour }; });
    this.look = lookOf(byId, { hidden: [], threshold: 0, unsure: 'hide' }, ['#000000', '#000000'], 0);
    Object.values(this.layer._tiles).forEach(({ el }) => this.paint(el));
  }

  paint(canvas) {
    const context = canvas.getContext('2d');
    if (canvas.codes && this.look) context.putImageData(picture(canvas.codes, this.data.tilePx, this.look, 'classes'), 0, 0);
    else context.clearRect(0, 0, canvas.width, canvas.height);
  }

  // Class id and confidence at a pixel as one number, null where no tile is there.
  at(row, col) {
    const zoom = this.layer._tileZoom, factor = 2 ** (this.data.maxZoom - zoom), side = this.data.tilePx;
    const [y, x] = [Math.floor(row / factor), Math.floor(col / factor)];
    const tile = this.layer._tiles[`${Math.floor(x / side)}:${Math.floor(y / side)}:${zoom}`];
    return tile?.el.codes ? tile.el.codes[(y % side) * side + (x % side)] : null;
  }
}

// A region of interest, drawn on the first pane with the pointer and told to the page as [row, column, height, width].

const LEAST_PX = 4;

export class Region {
  constructor(viewer) { this.viewer = viewer; this.drawing = false; }

  buttons() {
    const draw = this.viewer.button('Draw a region', 'Drag over the image to choose the part that is predicted', () => this.start());
    const clear = this.viewer.button('Whole scene', 'Predict all of it', () => this.tell(null));
    this.drawButton = draw;
    this.press();
    return [draw, clear];
  }

  start() {
    this.drawing = !this.drawing;
    this.press();
    this.viewer.maps.forEach(map => this.hold(map));
  }

  press() { this.drawButton.setAttribute('aria-pressed', String(this.drawing)); }

  // Also for maps that are drawn anew while a region is being drawn: one that may still be dragged would move with the pointer.
  hold(map) {
    map.dragging[this.drawing ? 'disable' : 'enable']();
    map.getContainer().classList.toggle('drawing', this.drawing);
  }

  attach(map) {
    let from = null;
    this.hold(map);
    map.on('mousedown', event => { if (this.drawing) from = event.latlng; });
    map.on('mousemove', event => { if (from) this.show(this.between(from, event.latlng)); });
    map.on('mouseup', event => {
      if (!from) return;
      const region = this.between(from, event.latlng);
      from = null;
      this.start();
      if (region && region[2] >= LEAST_PX && region[3] >= LEAST_PX) this.tell(region);
      else this.show(this.viewer.data.region.value);
    });
  }

  between(one, other) {
    const { height, width, maxZoom } = this.viewer.data, scale = 2 ** maxZoom;
    const clip = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
    const rows = [one, other].map(at => clip(-at.lat * scale, height)).sort((a, b) => a - b);
    const cols = [one, other].map(at => clip(at.lng * scale, width)).sort((a, b) => a - b);
    return [rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0]];
  }

  tell(region) {
    this.show(region);
    this.viewer.send('region', region);
  }

  show(region) {
    this.shape?.remove();
    this.shape = null;
    const map = this.viewer.maps[0], scale = 2 ** this.viewer.data.maxZoom;
    if (!map || !region) return;
    const [row, col, height, width] = region;
    this.shape = window.L.rectangle(
      [[-(row + height) / scale, col / scale], [-row / scale, (col + width) / scale]],
      { color: '#00c8b4', weight: 2, fillOpacity: 0.12, interactive: false },
    ).addTo(map);
  }
}

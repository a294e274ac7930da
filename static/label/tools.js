// The hand on the map: brush, eraser, polygon, box and superpixel, with mouse, pen or finger; two fingers, the middle button or the space bar move it.

const LEAST_STEP = 0.6; // screen pixels between two points of a stroke
const TOLERANCE = 0.35; // screen pixels that a stroke may be straightened by

// Fewer points on the same line (Douglas and Peucker 1973).
function straightened(points, tolerance) {
  if (points.length < 3) return points;
  const kept = new Uint8Array(points.length), stack = [[0, points.length - 1]];
  kept[0] = kept[points.length - 1] = 1;
  while (stack.length) {
    const [first, last] = stack.pop(), [ax, ay] = points[first], [bx, by] = points[last];
    const length = Math.hypot(bx - ax, by - ay);
    let most = tolerance, at = -1;
    for (let i = first + 1; i < last; i += 1) {
      const [x, y] = points[i];
      const away = length ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length : Math.hypot(x - ax, y - ay);
      if (away > most) { most = away; at = i; }
    }
    if (at >= 0) { kept[at] = 1; stack.push([first, at], [at, last]); }
  }
  return points.filter((_, index) => kept[index]);
}

const rounded = points => points.map(([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100]);
const boxRing = ([ax, ay], [bx, by]) => [[ax, ay], [bx, ay], [bx, by], [ax, by], [ax, ay]];

export class Tools {
  constructor(page) { this.page = page; this.corners = null; this.fingers = new Set(); }

  attach(map, canvas) {
    this.map = map; this.canvas = canvas;
    const node = map.getContainer();
    node.addEventListener('pointerdown', event => this.down(event));
    node.addEventListener('pointermove', event => this.moved(event));
    node.addEventListener('pointerup', event => this.up(event));
    node.addEventListener('pointercancel', event => { this.fingers.delete(event.pointerId); this.drop(); });
    node.addEventListener('pointerleave', () => this.page.hover(null));
    node.addEventListener('dblclick', () => this.closePolygon());
    node.addEventListener('contextmenu', event => { if (this.corners) { event.preventDefault(); this.closePolygon(); } });
    this.setHand();
  }

  // Whether dragging moves the map; else it paints.
  setHand() {
    const moves = this.page.tool === 'move' || this.space;
    this.map.dragging[moves ? 'enable' : 'disable']();
    this.map.getContainer().classList.toggle('drawing', !moves);
  }

  holdSpace(held) {
    this.space = held;
    if (this.map) this.setHand();
  }

  at(event) { return this.canvas.pixelOf(this.map.mouseEventToLatLng(event)); }

  down(event) {
    if (event.target.closest('.leaflet-control')) return;
    this.page.host.querySelector('.map').focus({ preventScroll: true });
    this.fingers.add(event.pointerId);
    if (this.fingers.size > 1) { this.drop(); return; } // two fingers zoom
    if (event.button === 1) { event.preventDefault(); this.pushed = [event.clientX, event.clientY]; return; }
    if (event.button !== 0 || this.page.tool === 'move' || this.space || !this.page.ready()) return;
    event.preventDefault();
    this.map.getContainer().setPointerCapture?.(event.pointerId);
    const at = this.at(event);
    if (this.page.tool === 'polygon' || (this.page.tool === 'area' && this.page.areaBy === 'polygon')) { this.corner(at); return; }
    if (this.page.tool === 'superpixel') { this.page.fill(at); return; }
    this.points = [at];
    this.show();
  }

  moved(event) {
    if (this.pushed) {
      this.map.panBy([this.pushed[0] - event.clientX, this.pushed[1] - event.clientY], { animate: false });
      this.pushed = [event.clientX, event.clientY];
      return;
    }
    const at = this.at(event);
    this.page.hover(at);
    if (this.corners) { this.show(at); return; }
    if (!this.points) return;
    if (this.page.tool === 'brush' || this.page.tool === 'eraser') {
      const passed = event.getCoalescedEvents?.() ?? [];
      (passed.length ? passed : [event]).forEach(each => this.add(this.at(each)));
    } else this.points[1] = at;
    this.show();
  }

  add([x, y]) {
    const [lastX, lastY] = this.points[this.points.length - 1];
    if (Math.hypot(x - lastX, y - lastY) * this.canvas.magnification >= LEAST_STEP) this.points.push([x, y]);
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    this.pushed = null;
    if (!this.points) return;
    const geometry = this.shape();
    this.points = null; this.canvas.live = null;
    if (geometry) this.finish(geometry);
    else this.canvas.soon();
  }

  shape() {
    const { points } = this;
    if (this.page.tool === 'brush' || this.page.tool === 'eraser') {
      const line = rounded(straightened(points, TOLERANCE / this.canvas.magnification));
      return line.length === 1 ? { type: 'Point', coordinates: line[0] } : { type: 'LineString', coordinates: line };
    }
    if (points.length < 2 || points[0][0] === points[1][0] || points[0][1] === points[1][1]) return null;
    return { type: 'Polygon', coordinates: [rounded(boxRing(...points))] };
  }

  corner(at) {
    this.corners ??= [];
    const last = this.corners[this.corners.length - 1];
    if (last && Math.hypot(at[0] - last[0], at[1] - last[1]) * this.canvas.magnification < 3) return; // the second half of a double click
    this.corners.push(at);
    this.show(at);
  }

  closePolygon() {
    const corners = this.corners;
    this.corners = null; this.canvas.live = null;
    if (corners?.length > 2) this.finish({ type: 'Polygon', coordinates: [rounded([...corners, corners[0]])] });
    else this.canvas.soon();
  }

  finish(geometry) {
    if (this.page.tool === 'area') this.page.setArea(geometry);
    else if (this.page.tool === 'answer') this.page.takeAnswer(geometry);
    else this.page.paint([{ class: this.page.tool === 'eraser' ? null : this.page.chosen, geometry, width_px: this.page.size }]);
  }

  // What is being drawn, before it is finished.
  show(at) {
    const { tool } = this.page, colour = tool === 'eraser' ? null : this.page.chosen, width = this.page.size;
    let geometry = null, open = null;
    if (this.corners) {
      open = at ? [...this.corners, at] : this.corners;
      geometry = { type: 'Point', coordinates: this.corners[0] };
    } else if (tool === 'brush' || tool === 'eraser') {
      geometry = this.points.length > 1 ? { type: 'LineString', coordinates: this.points } : { type: 'Point', coordinates: this.points[0] };
    } else if (this.points.length > 1) {
      if (tool === 'box') geometry = { type: 'Polygon', coordinates: [boxRing(...this.points)] };
      else { open = boxRing(...this.points); geometry = { type: 'Point', coordinates: this.points[0] }; }
    }
    this.canvas.live = geometry && { item: { class: colour, geometry, width_px: open ? 3 / this.canvas.magnification : width }, open };
    this.canvas.soon();
  }

  // What was begun is given up.
  drop() {
    if (!this.points && !this.corners && !this.pushed) return false;
    this.points = this.corners = this.pushed = null;
    this.canvas.live = null;
    this.canvas.soon();
    return true;
  }
}

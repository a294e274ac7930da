// What was painted, on a canvas over the map: each shape in turn, so that an eraser takes away what lies below it, as the program counts it.

const trace = (context, ring) => ring.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));

// The box of a shape in scene pixels, kept with it: [left, top, right, bottom].
export function boxOf(item) {
  if (item.box) return item.box;
  const box = [Infinity, Infinity, -Infinity, -Infinity], reach = item.width_px / 2;
  const take = part => {
    if (typeof part[0] !== 'number') { part.forEach(take); return; }
    const [x, y] = part;
    box[0] = Math.min(box[0], x - reach); box[1] = Math.min(box[1], y - reach);
    box[2] = Math.max(box[2], x + reach); box[3] = Math.max(box[3], y + reach);
  };
  take(item.geometry.coordinates);
  item.box = box;
  return box;
}

function drawShape(context, { geometry, width_px: width }, colour) {
  const { type, coordinates } = geometry;
  context.fillStyle = context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  if (type === 'Point') { context.arc(...coordinates, width / 2, 0, 2 * Math.PI); context.fill(); return; }
  if (type.endsWith('LineString')) {
    (type === 'LineString' ? [coordinates] : coordinates).forEach(line => trace(context, line));
    context.stroke();
    return;
  }
  (type === 'Polygon' ? [coordinates] : coordinates).forEach(rings => rings.forEach(ring => { trace(context, ring); context.closePath(); }));
  context.fill('evenodd');
}

export class PaintCanvas {
  constructor(map, maxZoom) {
    this.map = map;
    this.scale = 2 ** maxZoom;
    this.node = document.createElement('canvas');
    this.node.className = 'painted';
    map.getPanes().overlayPane.appendChild(this.node);
    this.items = []; this.marks = []; this.live = null;
    map.on('move zoom viewreset resize', () => this.draw());
  }

  // A place of the map as [x, y] in scene pixels, and back in pixels of the screen.
  pixelOf(latlng) { return [latlng.lng * this.scale, -latlng.lat * this.scale]; }

  latLngOf([x, y]) { return window.L.latLng(-y / this.scale, x / this.scale); }

  // Screen pixels of one scene pixel.
  get magnification() { return 2 ** this.map.getZoom() / this.scale; }

  soon() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const { node, map } = this, size = map.getSize(), ratio = window.devicePixelRatio || 1;
    if (!size.x) return;
    if (node.width !== Math.round(size.x * ratio) || node.height !== Math.round(size.y * ratio)) {
      node.width = Math.round(size.x * ratio); node.height = Math.round(size.y * ratio);
      node.style.width = `${size.x}px`; node.style.height = `${size.y}px`;
    }
    window.L.DomUtil.setPosition(node, map.containerPointToLayerPoint([0, 0]));
    const context = node.getContext('2d'), zoom = this.magnification * ratio;
    const corner = map.latLngToContainerPoint(this.latLngOf([0, 0]));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, node.width, node.height);
    context.setTransform(zoom, 0, 0, zoom, corner.x * ratio, corner.y * ratio);
    context.lineCap = context.lineJoin = 'round';
    const seen = [-corner.x * ratio / zoom, -corner.y * ratio / zoom, (node.width - corner.x * ratio) / zoom, (node.height - corner.y * ratio) / zoom];
    for (const item of this.items) {
      const [left, top, right, bottom] = boxOf(item);
      if (left > seen[2] || right < seen[0] || top > seen[3] || bottom < seen[1]) continue;
      context.globalCompositeOperation = item.class === null ? 'destination-out' : 'source-over';
      drawShape(context, item, item.class === null ? '#000' : this.colourOf(item.class));
    }
    context.globalCompositeOperation = 'source-over';
    for (const mark of this.marks) {
      context.setLineDash(mark.dash ? [6 / zoom, 4 / zoom] : []);
      context.lineWidth = mark.weight * ratio / zoom;
      context.strokeStyle = mark.colour;
      context.beginPath();
      mark.rings.forEach(ring => { trace(context, ring); context.closePath(); });
      context.stroke();
    }
    context.setLineDash([]);
    if (this.live) this.drawLive(context, zoom, ratio);
  }

  drawLive(context, zoom, ratio) {
    const { item, open } = this.live;
    context.globalAlpha = 0.8;
    drawShape(context, item, item.class === null ? '#ffffff' : this.colourOf(item.class));
    context.globalAlpha = 1;
    if (!open) return;
    context.lineWidth = 1.5 * ratio / zoom;
    context.strokeStyle = '#ffffff';
    context.beginPath();
    trace(context, open);
    context.stroke();
  }
}

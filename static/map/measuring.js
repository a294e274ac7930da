// Metres on the ground between points of the map, the scale bar, and places in the layer's own coordinates.

import { number } from '../shared/words.js';

const { L } = window;

// Points in a plane of metres (or pixels): on the earth by the WGS84 radii of curvature at the points' middle, which is true
// to 1e-4 over some tens of kilometres; without coordinates by the pixel size, where there is one.
export function plane(points, config, pixelSize) {
  if (config.pixelScale) {
    const unit = config.pixelScale * (pixelSize || 1);
    return points.map(point => [point.lng * unit, point.lat * unit]);
  }
  const radians = Math.PI / 180, squared = 0.00669437999014;
  const middle = points.reduce((sum, point) => sum + point.lat, 0) / points.length * radians;
  const part = 1 - squared * Math.sin(middle) ** 2;
  const across = 6378137 / Math.sqrt(part) * Math.cos(middle), up = 6378137 * (1 - squared) / part ** 1.5;
  return points.map(point => [(point.lng - points[0].lng) * radians * across, (point.lat - points[0].lat) * radians * up]);
}

export function pathLength(xy) {
  return xy.slice(1).reduce((sum, point, index) => sum + Math.hypot(point[0] - xy[index][0], point[1] - xy[index][1]), 0);
}

export function ringArea(xy) {
  return Math.abs(xy.reduce((sum, point, index) => {
    const next = xy[(index + 1) % xy.length];
    return sum + point[0] * next[1] - next[0] * point[1];
  }, 0)) / 2;
}

// The scale bar: metres on the earth; on a pixel map metres where a pixel's size is known, else pixels.
export function scaleOf(app) {
  const { pixelScale } = app.config;
  if (!pixelScale) return L.control.scale({ imperial: false });
  const Scale = L.Control.Scale.extend({
    _update() {
      const { x, y } = this._map.getSize(), from = this._map.containerPointToLatLng([0, y / 2]), to = this._map.containerPointToLatLng([this.options.maxWidth, y / 2]);
      const size = app.data.pixelSize, longest = (to.lng - from.lng) * pixelScale * (size || 1);
      if (!x || !(longest > 0)) return;
      if (size) { this._updateMetric(longest); return; }
      const round = longest < 1 ? longest : this._getRoundNum(longest);
      this._updateScale(this._mScale, `${longest < 1 ? round.toFixed(2) : number(round)} px`, round / longest);
    },
  });
  return new Scale({ imperial: false });
}

// A place of the map (degrees, or column and row) in the layer's own CRS, as text; '' where that says nothing more.
export function inOwn(own, [x, y]) {
  if (!own) return '';
  const [u, v] = [(x - own.middle[0]) / own.half[0], (y - own.middle[1]) / own.half[1]];
  if (Math.max(Math.abs(u), Math.abs(v)) > 1.5) return '';
  const terms = own.powers.map(([a, b]) => u ** a * v ** b);
  return own.axes.map((weights, k) => `${own.names[k]} ${weights.reduce((sum, weight, i) => sum + weight * terms[i], 0).toFixed(own.digits)}`).join(', ');
}

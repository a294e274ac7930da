// Metres on the ground between points of the map.

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

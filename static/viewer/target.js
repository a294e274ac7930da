// A place to look at, marked by a cross that leaves its pixel free.

const CROSS = `<svg viewBox="-30 -30 60 60" width="60" height="60" aria-hidden="true"><g fill="none" stroke-linecap="round">
<g stroke="#000" stroke-width="4.5"><circle r="17"/><path d="M-28 0h21M7 0h21M0-28v21M0 7v21"/></g>
<g stroke="#fff200" stroke-width="2"><circle r="17"/><path d="M-28 0h21M7 0h21M0-28v21M0 7v21"/></g></g></svg>`;
const CLOSER = 1; // zoom levels beyond one screen pixel for each pixel of the image

export class Target {
  constructor(viewer) { this.viewer = viewer; this.shown = 'null'; }

  // Where its pixel's middle lies on the maps.
  place() {
    const [row, col] = this.viewer.data.target, scale = 2 ** this.viewer.data.maxZoom;
    return window.L.latLng(-(row + 0.5) / scale, (col + 0.5) / scale);
  }

  // The view that a new scene begins with.
  view() { return this.viewer.data.target ? { center: this.place(), zoom: this.viewer.data.maxZoom + CLOSER } : null; }

  changed() { return JSON.stringify(this.viewer.data.target ?? null) !== this.shown; }

  draw() {
    this.marks?.forEach(mark => mark.remove());
    this.shown = JSON.stringify(this.viewer.data.target ?? null);
    if (!this.viewer.data.target) { this.marks = []; return; }
    const icon = window.L.divIcon({ className: 'target', html: CROSS, iconSize: [60, 60], iconAnchor: [30, 30] });
    this.marks = this.viewer.maps.map(map => window.L.marker(this.place(), { icon, interactive: false, keyboard: false }).addTo(map));
  }

  fly() {
    this.draw();
    if (this.viewer.data.target) this.viewer.maps.forEach(map => map.setView(this.place(), map.getZoom(), { animate: false }));
  }
}

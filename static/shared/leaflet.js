// Leaflet is no module: it comes by a script of its own, once for the page.

export function loadLeaflet(staticUrl) {
  if (window.L) return Promise.resolve();
  window.groundlineLeaflet ??= new Promise((done, failed) => {
    const script = Object.assign(document.createElement('script'), { src: staticUrl + 'vendor/leaflet/leaflet.js', onload: done });
    script.onerror = () => { window.groundlineLeaflet = null; failed(new Error('leaflet.js did not load')); };
    document.head.appendChild(script);
  });
  return window.groundlineLeaflet;
}

// How a map of pixels behaves: one pixel of a scene is 2 ** -maxZoom of its units, x to the right and y upward from the scene's upper left corner.
export function pixelMap(maxZoom) {
  return {
    crs: window.L.CRS.Simple, minZoom: -3, maxZoom: maxZoom + 4, zoomSnap: 0.25, zoomDelta: 0.5, wheelPxPerZoomLevel: 120,
    attributionControl: false, fadeAnimation: false, zoomAnimation: false,
  };
}

// How a layer of our own tiles lies on it; `data` tells the scene's size, `tilePx` and `maxZoom`.
export function pixelTiles({ tilePx, maxZoom, height, width }) {
  const scale = 2 ** maxZoom;
  return {
    tileSize: tilePx, minNativeZoom: 0, maxNativeZoom: maxZoom, minZoom: -3, maxZoom: maxZoom + 4, noWrap: true,
    bounds: [[-height / scale, 0], [0, width / scale]],
  };
}

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

// The polygon map: base pictures, class polygons fetched by URL and drawn on canvas, a legend with toggles, and tooltips.
// Runs inside streamlit-folium's frame and in nothing else; every URL in `config` is relative to that frame.

(function () {
  const L = window.L;
  const LEGEND_PX = 280;

  function element(tag, style = '', text = '') {
    const node = L.DomUtil.create(tag);
    node.style.cssText = style;
    if (text) node.textContent = text;
    return node;
  }

  function number(value, digits = 0) {
    return Number(value).toLocaleString('en', { maximumFractionDigits: digits });
  }

  function area(value, units) {
    if (value === null || value === undefined) return '';
    if (units !== 'm') return `${number(value)} px`;
    if (value >= 1e6) return `${number(value / 1e6, 2)} km²`;
    return value >= 1e4 ? `${number(value / 1e4, 2)} ha` : `${number(value, value < 100 ? 1 : 0)} m²`;
  }

  // ---- base pictures ----
  function basePictures(map, config) {
    const made = {};
    config.pictures.forEach(picture => {
      const layer = L.tileLayer(picture.url, {
        tileSize: picture.tileSize, maxNativeZoom: picture.maxNativeZoom, minNativeZoom: 0, maxZoom: map.getMaxZoom(), minZoom: map.getMinZoom(),
        noWrap: true, attribution: picture.attribution || '', bounds: picture.bounds || undefined, zIndex: picture.base ? 1 : 5,
        errorTileUrl: 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', opacity: picture.opacity ?? 1,
      });
      made[picture.name] = layer;
      if (picture.shown) layer.addTo(map);
    });
    return made;
  }

  // ---- polygons ----
  function tooltip(properties, config) {
    const box = element('div', 'min-width:9rem');
    box.appendChild(element('b', '', config.classes.find(item => item.id === properties.class_id)?.name ?? 'unknown class'));
    const rows = [['Polygon', properties.id], ['Area', area(properties.area, config.units)]];
    if (properties.length != null) rows.push([config.units === 'm' ? 'Length' : 'Length (px)', config.units === 'm' ? `${number(properties.length, 1)} m` : number(properties.length, 1)]);
    if (properties.confidence != null) rows.push(['Mean confidence', Number(properties.confidence).toFixed(2)]);
    rows.forEach(([name, value]) => {
      const row = element('div', 'display:flex;justify-content:space-between;gap:1rem');
      row.append(element('span', 'opacity:.75', name), element('span', 'font-variant-numeric:tabular-nums', String(value)));
      box.appendChild(row);
    });
    return box;
  }

  function polygons(map, config, state) {
    const scale = config.pixelScale;
    const renderer = L.canvas({ padding: 0.3 });
    const style = item => ({ renderer, color: item.colour, weight: 0.9, opacity: 1, fillColor: item.colour, fillOpacity: state.fill, bubblingMouseEvents: false });
    const groups = new Map();
    config.classes.forEach(item => {
      groups.set(item.id, L.geoJSON(null, {
        style: () => style(item), smoothFactor: 0.6,
        coordsToLatLng: scale ? ([x, y]) => L.latLng(y / scale, x / scale) : undefined,
        onEachFeature: (feature, layer) => {
          layer.bindTooltip(() => tooltip(feature.properties, config), { sticky: true, opacity: 0.95 });
          layer.on('mouseover', () => layer.setStyle({ weight: 3, color: '#ffffff', fillOpacity: Math.min(1, state.fill + 0.25) }));
          layer.on('mouseout', () => layer.setStyle(style(item)));
        },
      }).addTo(map));
    });
    state.restyle = () => groups.forEach((group, id) => group.setStyle(style(config.classes.find(item => item.id === id))));
    return groups;
  }

  async function load(config, groups, state) {
    try {
      const answer = await fetch(config.features);
      if (!answer.ok) throw new Error(String(answer.status));
      const collection = await answer.json();
      collection.features.forEach(feature => groups.get(feature.properties.class_id)?.addData(feature));
      state.note.textContent = config.note;
      document.body.dataset.polygons = String(collection.features.length);
    } catch (error) {
      state.note.textContent = 'The polygons did not arrive from the server. Reload the page.';
    }
    state.note.style.display = state.note.textContent ? 'block' : 'none';
  }

  // ---- legend ----
  function legend(map, config, groups, state) {
    const control = L.control({ position: 'topright' });
    control.onAdd = () => {
      const box = element('div', 'background:#fff;color:#17262b;padding:.6rem .75rem;border-radius:.5rem;box-shadow:0 1px 6px rgba(0,0,0,.35);font:13px/1.5 system-ui,sans-serif;max-height:70vh;overflow:auto');
      box.setAttribute('aria-label', 'Legend');
      L.DomEvent.disableClickPropagation(box).disableScrollPropagation(box);
      const table = element('table', 'border-collapse:collapse');
      const heads = element('tr', 'opacity:.7;font-size:11px');
      [['Class', 'left'], ['Polygons', 'right'], ['Area', 'right']].forEach(([text, side]) => heads.appendChild(element('th', `font-weight:500;text-align:${side}`, text)));
      table.appendChild(heads);
      config.classes.forEach(item => table.appendChild(row(map, item, groups.get(item.id), config)));
      box.appendChild(table);
      const fill = element('label', 'display:flex;gap:.5rem;align-items:center;margin-top:.4rem', 'Fill');
      const input = element('input', 'width:7rem;accent-color:#0f766e');
      Object.assign(input, { type: 'range', min: 0, max: 100, value: 100 * state.fill, title: 'How strongly polygons cover the picture' });
      input.oninput = () => { state.fill = input.value / 100; state.restyle(); };
      fill.appendChild(input);
      state.note = element('div', 'max-width:17rem;margin-top:.35rem;opacity:.85', 'Loading polygons…');
      box.append(fill, state.note);
      return box;
    };
    control.addTo(map);
  }

  function row(map, item, group, config) {
    const line = element('tr');
    const first = element('td', 'padding:0 .6rem 0 0'), label = element('label', 'display:flex;align-items:center;gap:.45rem;cursor:pointer');
    const box = element('input', 'margin:0;accent-color:#0f766e');
    box.type = 'checkbox';
    box.checked = true;
    box.onchange = () => { if (box.checked) group.addTo(map); else group.remove(); };
    label.append(box, element('span', `width:.85rem;height:.85rem;border-radius:.2rem;border:1px solid rgba(0,0,0,.35);background:${item.colour}`), element('span', '', item.name));
    first.appendChild(label);
    const right = 'text-align:right;font-variant-numeric:tabular-nums;padding-left:.6rem';
    line.append(first, element('td', right, number(item.count)), element('td', right, area(item.area, config.units)));
    return line;
  }

  // ---- cursor position ----
  function position(map, config) {
    const control = L.control({ position: 'bottomright' });
    control.onAdd = () => {
      const box = element('div', 'background:rgba(255,255,255,.85);color:#17262b;padding:0 .4rem;font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums');
      box.textContent = config.crs;
      map.on('mousemove', event => {
        const { lat, lng } = event.latlng;
        box.textContent = config.pixelScale ? `row ${Math.floor(-lat * config.pixelScale)}, column ${Math.floor(lng * config.pixelScale)}`
          : `${Math.abs(lat).toFixed(6)}° ${lat < 0 ? 'S' : 'N'}, ${Math.abs(lng).toFixed(6)}° ${lng < 0 ? 'W' : 'E'}`;
      });
      map.on('mouseout', () => { box.textContent = config.crs; });
      return box;
    };
    control.addTo(map);
  }

  // Styles and the frame's height arrive after this script has run, so the scene is fitted again at each change of size,
  // until the user takes over.
  function fitWhenSized(map, config) {
    const container = map.getContainer();
    const watcher = new ResizeObserver(() => {
      map.invalidateSize({ animate: false, pan: false });
      const size = map.getSize();
      if (size.x < 100 || size.y < 100) return;
      map.fitBounds(config.bounds, { paddingBottomRight: [size.x > 800 ? LEGEND_PX : 0, 0], animate: false });
    });
    watcher.observe(container);
    ['pointerdown', 'wheel', 'keydown'].forEach(name => container.addEventListener(name, () => watcher.disconnect(), { once: true, capture: true }));
  }

  window.groundlineMap = function (map, config) {
    const state = { fill: 0.45, note: null, restyle: () => {} };
    map.attributionControl.setPrefix('');
    map.getContainer().style.background = config.background;
    const pictures = basePictures(map, config);
    const groups = polygons(map, config, state);
    if (config.pictures.length) {
      const bases = {}, overlays = {};
      config.pictures.forEach(item => { (item.base ? bases : overlays)[item.name] = pictures[item.name]; });
      bases[config.plainName] = L.layerGroup();
      if (!config.pictures.some(item => item.base && item.shown)) bases[config.plainName].addTo(map);
      L.control.layers(bases, overlays, { position: 'topleft', collapsed: true }).addTo(map);
    }
    legend(map, config, groups, state);
    position(map, config);
    if (!config.pixelScale) L.control.scale({ imperial: false }).addTo(map);
    L.control.fullscreen({ position: 'topleft', title: 'Full screen', titleCancel: 'Leave full screen' }).addTo(map);
    fitWhenSized(map, config);
    load(config, groups, state);
  };
}());

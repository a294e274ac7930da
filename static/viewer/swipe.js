// Two panes on one map with a divider to drag.

export function drawSwipe(viewer, box) {
  const { settings, data } = viewer;
  const { caption, holder } = viewer.frameOf(box, '');
  const map = viewer.newMap(holder, true);
  const last = data.panes.length - 1;
  const best = data.panes.findIndex(pane => pane.title === 'Prediction');
  settings.left = Math.min(settings.left ?? 0, last);
  settings.right = Math.min(settings.right ?? (best < 0 ? last : best), last);
  ['left', 'right'].forEach(side => {
    map.createPane(side).style.zIndex = 250;
    data.panes[settings[side]].layers.forEach(layer => viewer.addLayer(map, layer, side));
    caption.appendChild(sideChoice(viewer, side));
  });
  const bar = viewer.element('div', { class: 'divider', role: 'slider', tabindex: 0, 'aria-label': 'Divider between the two panes',
    'aria-valuemin': 0, 'aria-valuemax': 100 });
  holder.appendChild(bar);
  window.L.DomEvent.disableClickPropagation(bar);
  const place = () => {
    const size = map.getSize(), x = size.x * (settings.divider ?? 0.5);
    const top = map.containerPointToLayerPoint([0, 0]), end = map.containerPointToLayerPoint(size);
    bar.style.left = `${x}px`;
    bar.setAttribute('aria-valuenow', Math.round(100 * x / Math.max(1, size.x)));
    map.getPane('left').style.clip = `rect(${top.y}px,${top.x + x}px,${end.y}px,${top.x}px)`;
    map.getPane('right').style.clip = `rect(${top.y}px,${end.x}px,${end.y}px,${top.x + x}px)`;
  };
  const to = fraction => { settings.divider = Math.min(1, Math.max(0, fraction)); place(); };
  bar.onpointerdown = event => { bar.setPointerCapture(event.pointerId); event.preventDefault(); event.stopPropagation(); };
  bar.onpointermove = event => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const frame = holder.getBoundingClientRect();
    to((event.clientX - frame.left) / frame.width);
  };
  bar.onpointerup = () => viewer.tell();
  bar.onkeydown = event => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
    if (step) { to((settings.divider ?? 0.5) + step); event.preventDefault(); event.stopPropagation(); }
  };
  map.on('move resize viewreset', place);
  viewer.placeDivider = place;
}

function sideChoice(viewer, side) {
  const label = side === 'left' ? 'Left of the divider' : 'Right of the divider';
  const options = viewer.data.panes.map((pane, index) => [index, pane.title]);
  const select = viewer.choice(label, options, viewer.settings[side], value => {
    viewer.settings[side] = Number(value);
    viewer.drawMaps();
    viewer.tell();
  });
  select.classList.add(side);
  return select;
}

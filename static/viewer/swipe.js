// Two panes on one map with a divider to drag.

import { Divider } from '../shared/divider.js';

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
  const divider = new Divider(map, {
    className: 'divider', label: 'Divider between the two panes', at: settings.divider ?? 0.5,
    moved: at => { settings.divider = at; place(); }, rested: () => viewer.tell(),
  });
  const place = () => Object.entries(divider.place()).forEach(([side, clip]) => { map.getPane(side).style.clip = clip; });
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

// The bar above the map: tools, size, undo, the answer's opacity, the guide, the area of work, the view.

import { element } from '../shared/element.js';

export const TOOLS = [
  ['brush', 'Brush', 'B', 'Paint strokes of the chosen class'],
  ['eraser', 'Eraser', 'E', 'Take away what was painted'],
  ['polygon', 'Polygon', 'P', 'Click corners; double-click, Enter or the right button closes it'],
  ['box', 'Box', 'X', 'Drag a rectangle of the chosen class'],
  ['superpixel', 'Superpixel', 'S', 'Click to fill a patch of like pixels; it is outlined under the pointer'],
  ['answer', 'As answered', 'A', 'Drag a rectangle in which the answer is right: it counts as painted'],
  ['move', 'Move', 'M', 'Drag the map; the space bar does so at any time'],
];
export const SIZES = [1, 60];

export function button(text, title, action, pressed) {
  const node = element('button', { type: 'button', title, 'aria-label': title }, text);
  if (pressed !== undefined) node.setAttribute('aria-pressed', String(pressed));
  node.onclick = action;
  return node;
}

function group(label, ...nodes) {
  const box = element('div', { class: 'group', role: 'group', 'aria-label': label });
  box.append(...nodes);
  return box;
}

function slider(label, title, [low, high], value, unit, apply) {
  const box = element('label', { class: 'slide', title }), input = element('input', { type: 'range', min: low, max: high, step: 1, 'aria-label': label });
  const shown = element('output', {}, `${value}${unit}`);
  input.value = value;
  input.oninput = () => { shown.textContent = `${input.value}${unit}`; apply(Number(input.value)); };
  box.append(element('span', {}, label), input, shown);
  box.set = told => { input.value = told; input.oninput(); };
  return box;
}

export class Bar {
  constructor(page, node) {
    this.tools = TOOLS.map(([name, text, key, title]) => {
      const made = button(text, `${title} (key ${key})`, () => page.pick(name), name === page.tool);
      made.dataset.tool = name;
      return made;
    });
    this.size = slider('Size', 'Width of the brush in pixels of the scene, and size of superpixels (keys [ and ])', SIZES, page.size, ' px', value => page.resizeTool(value));
    this.undo = button('Undo', 'Take back the last step (Ctrl+Z)', () => page.wire.do({ do: 'undo' }));
    this.redo = button('Redo', 'Put back what was undone (Ctrl+Shift+Z)', () => page.wire.do({ do: 'redo' }));
    const opacity = slider('Answer', 'How strongly the answer covers the image (V hides and shows all)', [0, 100], Math.round(100 * page.opacity), ' %', value => page.setOpacity(value / 100));
    const area = by => { page.areaBy = by; page.pick('area'); };
    node.replaceChildren(
      group('Tools', ...this.tools),
      this.size,
      group('Steps', this.undo, this.redo),
      opacity,
      group('Guide',
        button('Next doubtful place', 'Fly to where the answer is least sure (N)', () => page.next()),
        button('Looks right', 'The answer is right in all that is on the screen: it counts as agreed (Y)', () => page.agree())),
      group('Area of work',
        button('Area of work', 'Drag a rectangle: what you paint counts inside it, outside the start stays as it is', () => area('box')),
        button('Area as polygon', 'The area of work by corners that you click', () => area('polygon')),
        button('Whole scene', 'Work on all of the scene', () => page.setArea(null))),
      group('View',
        button('Fit', 'Show the whole scene (F)', () => page.fit()),
        button('1:1', 'One image pixel on one screen pixel', () => page.map.setZoom(page.data.maxZoom)),
        button('Full', 'Fill the screen; Escape leaves', () => (document.fullscreenElement ? document.exitFullscreen() : page.host.requestFullscreen?.()))),
    );
    this.mayUndo(false, false);
  }

  mayUndo(undo, redo) { this.undo.disabled = !undo; this.redo.disabled = !redo; }

  mark(tool) { this.tools.forEach(node => node.setAttribute('aria-pressed', String(node.dataset.tool === tool))); }
}

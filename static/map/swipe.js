// Swipe: the result is shown right of a divider that can be dragged or moved by the arrow keys; left of it is the bare picture.

(function (G) {
  const L = G.L;

  G.Swipe = class {
    // `panes` are the names of Leaflet's panes that hold the result.
    constructor(map, panes) {
      Object.assign(this, { map, panes, on: false, at: 0.5 });
      this.divider = G.element('div', { class: 'gl-divider', role: 'slider', tabindex: 0, 'aria-label': 'Divider between picture and result',
        'aria-valuemin': 0, 'aria-valuemax': 100, hidden: '' });
      map.getContainer().appendChild(this.divider);
      L.DomEvent.disableClickPropagation(this.divider);
      this.divider.onpointerdown = event => { this.divider.setPointerCapture(event.pointerId); event.preventDefault(); event.stopPropagation(); };
      this.divider.onpointermove = event => {
        if (!this.divider.hasPointerCapture(event.pointerId)) return;
        const frame = map.getContainer().getBoundingClientRect();
        this.move((event.clientX - frame.left) / frame.width);
      };
      this.divider.onkeydown = event => {
        const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
        if (step) { this.move(this.at + step); event.preventDefault(); event.stopPropagation(); }
      };
      this.button = G.bar(map, ['swipe'], () => this.toggle()).swipe;
      map.on('move resize viewreset zoom', () => this.place());
    }

    toggle() {
      this.on = !this.on;
      this.button.setAttribute('aria-pressed', String(this.on));
      this.divider.hidden = !this.on;
      this.place();
      if (this.on) this.divider.focus();
    }

    move(fraction) { this.at = Math.min(1, Math.max(0, fraction)); this.place(); }

    place() {
      const size = this.map.getSize(), x = size.x * this.at;
      const top = this.map.containerPointToLayerPoint([0, 0]), end = this.map.containerPointToLayerPoint(size);
      this.divider.style.left = `${x}px`;
      this.divider.setAttribute('aria-valuenow', Math.round(100 * this.at));
      this.panes.forEach(name => {
        this.map.getPane(name).style.clip = this.on ? `rect(${top.y}px,${end.x}px,${end.y}px,${top.x + x}px)` : '';
      });
    }
  };
}(window.Groundline));

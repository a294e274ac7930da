// Talking with the dashboard: steps go one after the other, and how far the answer is gets asked for, often while it is being made.

const ASK_BUSY_MS = 250, ASK_IDLE_MS = 4000;

export class Wire {
  constructor(page, url) {
    this.page = page;
    this.url = url;
    this.waiting = Promise.resolve();
    this.pending = 0;
    this.revision = -1;
  }

  async load() {
    const answer = await fetch(`${this.url}/state`);
    if (!answer.ok) { this.page.say('This page is out of date: reload it.', true); return; }
    const state = await answer.json();
    this.revision = state.revision;
    this.page.take(state);
  }

  // A step that is drawn already is sent; where it is refused, what the dashboard holds is drawn instead.
  do(step) {
    this.pending += 1;
    this.waiting = this.waiting.then(async () => {
      try {
        const answer = await fetch(`${this.url}/do`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(step) });
        if (!answer.ok) throw new Error(await answer.text());
        const told = await answer.json();
        this.pending -= 1;
        this.revision = told.revision;
        if (told.shapes && !this.pending) this.page.take(told);
        else this.page.mayUndo(told.canUndo, told.canRedo);
      } catch (error) {
        this.pending -= 1;
        await this.load().catch(() => {});
        this.page.say(error instanceof TypeError ? 'The dashboard does not answer: the last step is not kept. Repeat it when it is back.' : error.message, true);
      }
      this.ask();
    });
    return this.waiting;
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.closed) return;
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    let busy = false;
    try {
      const answer = await fetch(`${this.url}/status?view=${this.page.view().join(',')}`);
      if (answer.ok) {
        const status = await answer.json();
        busy = status.busy;
        if (status.revision !== this.revision && !this.pending) await this.load(); // painted in another window
        this.page.told(status);
      }
    } catch { this.page.say('The dashboard does not answer. What was painted is kept; waiting for it.', true); }
    this.asking = false;
    if (this.again) { this.again = false; this.ask(); return; }
    if (!this.closed) this.timer = setTimeout(() => this.ask(), busy ? ASK_BUSY_MS : ASK_IDLE_MS);
  }

  // The answer of one of the other routes; null, and its reason said, where it is refused.
  async get(path, how = {}) {
    const answer = await fetch(`${this.url}/${path}`, how);
    if (answer.ok) return answer.json();
    this.page.say(await answer.text(), true);
    return null;
  }

  close() { this.closed = true; clearTimeout(this.timer); }
}

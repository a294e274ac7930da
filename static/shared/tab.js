// What the browser's tab says of the jobs: how far they are, and that one has ended, until somebody looks.
// Streamlit sets title and icon anew whenever a page is drawn; what it set is what is added to, and given back.

const tab = { before: '', icon: '', mark: '' };
const GOOD = '#15877C', BAD = '#c2410c', AROUND = 75.4;

export function atWork(share) { show(`${Math.floor(100 * share)} % · `, ring(share, GOOD)); }

export function ended(words, good) {
  if (!document.hidden) return;
  const before = `${words} · `;
  show(before, ring(1, good ? GOOD : BAD));
  document.addEventListener('visibilitychange', () => { if (tab.before === before) show('', ''); }, { once: true });
}

function ring(share, colour) {
  return 'data:image/svg+xml,' + encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-width="6">
    <circle cx="16" cy="16" r="12" stroke="#9aa7ac" stroke-opacity=".4"/>
    <circle cx="16" cy="16" r="12" stroke="${colour}" stroke-dasharray="${AROUND * share} ${AROUND}" transform="rotate(-90 16 16)"/></svg>`);
}

function show(before, mark) {
  const own = tab.before && document.title.startsWith(tab.before) ? document.title.slice(tab.before.length) : document.title;
  const icon = document.querySelector('link[rel~=icon]');
  document.title = before + own;
  if (icon) {
    if (icon.href !== tab.mark) tab.icon = icon.href;
    icon.href = mark || tab.icon;
  }
  Object.assign(tab, { before, mark: mark && icon ? icon.href : '' });
}

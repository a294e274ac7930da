// One HTML element with its attributes and its text.

export function element(tag, attributes = {}, text = '') {
  const node = document.createElement(tag);
  Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
  if (text !== '') node.textContent = text;
  return node;
}

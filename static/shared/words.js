// Numbers, areas and lengths in the words that reports and pages use.

export const number = (value, digits = 0) => Number(value).toLocaleString('en', { maximumFractionDigits: digits });

// Rows of [from, divisor, decimals, unit] for areas and lengths, the first that fits counts: the table of core/words.py, handed over by the page.
let rowsOf = null;
export const readUnits = table => { rowsOf = table; };

function inUnit(what, value, units) {
  if (value === null || value === undefined) return '';
  const rows = rowsOf[what][units === 'm' ? 'm' : 'px'];
  const [, divisor, decimals, unit] = rows.find(row => value >= row[0]) || rows[rows.length - 1];
  return `${(value / divisor).toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals })} ${unit}`;
}

export const area = (value, units) => inUnit('area', value, units);
export const length = (value, units) => inUnit('length', value, units);

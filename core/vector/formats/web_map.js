// What every web map shows beside its polygons: numbers in words, and a legend to switch classes and lines and to set the fill.
var groundline = (function () {
  "use strict";

  function number(value, digits) {
    return value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  }
  function areaText(area, unit) {
    if (unit !== "m") { return number(area, 0) + " px"; }
    if (area >= 1e6) { return number(area / 1e6, 2) + " km\u00b2"; }
    return area >= 1e4 ? number(area / 1e4, 2) + " ha" : number(area, area < 100 ? 1 : 0) + " m\u00b2";
  }
  function row(rows, name, colour, cells, shown) {
    var line = rows.insertRow(), label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", function () { shown(box.checked); });
    label.appendChild(box);
    if (colour) { L.DomUtil.create("span", "swatch", label).style.background = colour; }
    label.appendChild(document.createTextNode(name));
    line.insertCell().appendChild(label);
    cells.forEach(function (words) { line.insertCell().textContent = words; });
  }
  // told: title, unit ("m" or "px"), classes [{id, name, colour, count, area}], lines {count, words} or null, fill from 0 to 1, the
  // slider's `event` that counts, and what to call: onClass(id, shown), onLines(shown), onFill(value).
  function legend(map, told) {
    var control = L.control({ position: "topright" });
    control.onAdd = function () {
      var panel = L.DomUtil.create("div", "panel");
      L.DomEvent.disableClickPropagation(panel).disableScrollPropagation(panel);
      L.DomUtil.create("h1", "", panel).textContent = told.title;
      var table = L.DomUtil.create("table", "", panel), heads = table.createTHead().insertRow(), rows = table.createTBody();
      ["Class", "Polygons", "Area"].forEach(function (words) { L.DomUtil.create("th", "", heads).textContent = words; });
      told.classes.forEach(function (entry) {
        var cells = [number(entry.count, 0), areaText(entry.area, told.unit)];
        row(rows, entry.name, entry.colour, cells, function (shown) { told.onClass(entry.id, shown); });
      });
      if (told.lines) { row(rows, "Centre lines", "", [number(told.lines.count, 0), told.lines.words], told.onLines); }
      var slider = L.DomUtil.create("label", "slider", panel), range = document.createElement("input");
      slider.appendChild(document.createTextNode("Fill"));
      range.type = "range"; range.min = 0; range.max = 1; range.step = 0.05; range.value = told.fill;
      range.addEventListener(told.event, function () { told.onFill(+range.value); });
      slider.appendChild(range);
      L.DomUtil.create("p", "", panel).textContent = document.getElementById("about").textContent;
      return panel;
    };
    control.addTo(map);
  }
  // Where a map of `bounds` begins: beside the legend where the window is wide.
  function fit(map, bounds) {
    map.fitBounds(bounds, { paddingTopLeft: [10, 10], paddingBottomRight: [window.innerWidth > 900 ? 340 : 10, 10] });
  }
  // [lat, lon] pairs of a flat list x, y, x, y, ...
  function points(flat) {
    var made = [];
    for (var n = 0; n < flat.length; n += 2) { made.push([flat[n + 1], flat[n]]); }
    return made;
  }

  return { number: number, areaText: areaText, legend: legend, fit: fit, points: points, LINES: { color: "#1d2733", weight: 2, dashArray: "6 4" } };
}());

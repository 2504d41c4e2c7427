(function () {
  "use strict";
  var root = document.documentElement, button = document.getElementById("theme");
  var names = ["auto", "light", "dark"], now = 0;
  try { now = Math.max(0, names.indexOf(localStorage.getItem("zipsel-theme"))); } catch (e) { now = 0; }
  function show() {
    if (now) { root.dataset.theme = names[now]; } else { delete root.dataset.theme; }
    button.textContent = "theme: " + names[now];
  }
  button.hidden = false;
  button.addEventListener("click", function () {
    now = (now + 1) % 3;
    show();
    try { localStorage.setItem("zipsel-theme", names[now]); } catch (e) { /* file opened without storage */ }
  });
  show();
  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = table.querySelectorAll("th");
    heads.forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") !== "descending", body = table.tBodies[0];
        if (column === 0) { down = head.getAttribute("aria-sort") === "ascending"; }
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.from(body.rows).map(function (row) {
          var cell = row.cells[column], key = cell.dataset.v;
          return [key === undefined ? cell.textContent : Number(key), row];
        }).sort(function (a, b) {
          var order = a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
          return down ? -order : order;
        }).forEach(function (pair) { body.appendChild(pair[1]); });
      });
    });
  });
  var tip = document.getElementById("tip");
  document.addEventListener("click", function (event) {
    var span = event.target.closest ? event.target.closest(".m[title]") : null;
    tip.hidden = !span;
    tip.textContent = span ? span.title : "";
  });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (part) { part.open = true; });
  });
})();

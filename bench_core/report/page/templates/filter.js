"use strict";
// Lets readers filter and sort the rows of tables that are marked for it; without it the tables show everything.
for (const table of document.querySelectorAll("table[data-filter]")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const collator = new Intl.Collator("en", { numeric: true });
  const words = (row, column) => row.cells[column].textContent;
  const wanted = new Map();
  const bar = document.createElement("div"), status = document.createElement("p");
  bar.className = "filters";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Filter the rows");
  status.className = "note";
  status.setAttribute("role", "status");

  const update = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = [...wanted].some(([column, value]) => words(row, column) !== value);
      shown += row.hidden ? 0 : 1;
    }
    status.textContent = `${shown} of ${rows.length} rows`;
  };

  const filter = (head, column) => {
    const values = [...new Set(rows.map(row => words(row, column)))].sort(collator.compare);
    if (values.length < 2) return;
    const label = document.createElement("label"), select = document.createElement("select");
    label.append(head.textContent, " ", select);
    select.append(new Option("all"), ...values.map(value => new Option(value || "none")));
    select.addEventListener("change", () => {
      if (select.selectedIndex) wanted.set(column, values[select.selectedIndex - 1]);
      else wanted.delete(column);
      update();
    });
    bar.append(label);
  };

  const compare = (column, sign) => (one, other) => {
    const [a, b] = [one, other].map(row => row.cells[column]);
    if (!heads[column].classList.contains("n")) return sign * collator.compare(a.textContent, b.textContent);
    if (!(a.dataset.key && b.dataset.key)) return Boolean(b.dataset.key) - Boolean(a.dataset.key);
    return sign * (a.dataset.key - b.dataset.key);
  };

  const sort = (head, column) => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows.sort(compare(column, descending ? -1 : 1)));
  };

  heads.forEach((head, column) => {
    if (head.hasAttribute("data-by")) filter(head, column);
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head, column));
    head.append(button);
  });
  update();
  table.parentElement.before(bar, status);
}

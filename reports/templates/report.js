"use strict";
// What makes the page's tables sortable, its charts tell their numbers, and its images selectable.
// Without it everything can still be read.

function make(tag, options = {}, ...children) {
  const { on = {}, ...properties } = options;
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, handler] of Object.entries(on)) element.addEventListener(name, handler);
  element.append(...children);
  return element;
}

function choice(title, options, chosen) {
  const select = make("select", { on: { change: () => chosen(select.value) } },
    ...options.map(([value, text]) => make("option", { value, textContent: text })));
  return [make("label", {}, title, select), select];
}

// Tables ------------------------------------------------------------------------------------------

const SCALE = { k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

function shown(cell) { // the text of a cell without its interval, footnote and bar
  return [...cell.childNodes].filter((n) => !["SMALL", "SUP", "I"].includes(n.nodeName))
    .map((n) => n.textContent).join("").trim();
}

function number(text) {
  const match = text.replace("\u2212", "-").match(/^(<\s*)?([+-]?[\d.]+)\s*([kMGT])?(\s.*)?$/);
  if (!match) return NaN;
  return Number(match[2]) * (SCALE[match[3]] || 1) - (match[1] ? 1e-9 : 0);
}

class ResultTable {
  constructor(table) {
    this.table = table;
    this.figure = table.closest("figure");
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows];
    this.heads = Number(table.dataset.heads || 1);
    this.header = table.tHead ? [...table.tHead.rows[0].cells] : [];
    this.titles = this.header.map((cell) => cell.textContent);
    this.group = "";
    this.told = true;
    const views = this.figure.querySelector("script.views");
    this.views = views ? JSON.parse(views.textContent) : {};
    this.original = this.rows.map((row) => [...row.cells].map((cell) => cell.innerHTML));
    if (this.header.length && this.rows.length > 1) this.addSorting();
    this.addTools();
  }

  headings() { return [...this.header, ...this.rows.map((row) => row.cells[0])]; }

  isTold(cell) { return /[\u2020\u2021]/.test(cell.textContent); }

  addSorting() {
    this.header.forEach((cell, column) => {
      if (!cell.textContent) return;
      cell.replaceChildren(make("button", {
        type: "button", innerHTML: cell.innerHTML, on: { click: () => this.sort(column) },
      }));
    });
  }

  sort(column) {
    const cell = this.header[column];
    const down = cell.getAttribute("aria-sort") !== "descending" && !(column < this.heads
      && cell.getAttribute("aria-sort") !== "ascending");
    for (const other of this.header) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    this.arrange();
  }

  arrange() {
    const column = this.header.findIndex((cell) => cell.hasAttribute("aria-sort"));
    if (column < 0) return;
    const sign = this.header[column].getAttribute("aria-sort") === "descending" ? -1 : 1;
    const keys = new Map(this.rows.map((row) => [row, shown(row.cells[column])]));
    const order = [...this.rows].sort((a, b) => {
      const [x, y] = [number(keys.get(a)), number(keys.get(b))];
      if (isNaN(x) && isNaN(y)) {
        if (column >= this.heads) return 0;
        return sign * keys.get(a).localeCompare(keys.get(b));
      }
      if (isNaN(x) || isNaN(y)) return isNaN(x) ? 1 : -1;
      return sign * (x - y);
    });
    this.body.append(...order);
  }

  addTools() {
    const tools = make("div", { className: "tools" });
    const groups = [...new Set(this.headings().map((c) => c.dataset.group).filter(Boolean))];
    if (groups.length > 1) {
      const options = [["", "all"], ...groups.map((name) => [name, name])];
      tools.append(choice("Corruptions", options, (value) => { this.group = value; this.filter(); })[0]);
    }
    if (Object.keys(this.views).length) {
      const options = [["", "mean of all"], ...Object.keys(this.views).map((name) => [name, name])];
      tools.append(choice("Severity", options, (value) => this.show(value))[0]);
    }
    const told = this.headings().filter((cell) => this.isTold(cell));
    if (told.length && this.rows.length > 1) {
      const box = make("input", {
        type: "checkbox", checked: true,
        on: { change: () => { this.told = box.checked; this.filter(); } },
      });
      tools.append(make("label", {}, box, "methods told the corruption (\u2020 \u2021)"));
    }
    tools.append(
      this.copyButton("Copy CSV", () => this.csv()), this.copyButton("Copy LaTeX", () => this.latex()));
    this.table.closest(".scroll").before(tools);
  }

  copyButton(title, text) {
    const button = make("button", {
      type: "button", textContent: title,
      on: {
        click: async () => {
          await copy(text());
          button.textContent = "Copied";
          setTimeout(() => { button.textContent = title; }, 1500);
        },
      },
    });
    return button;
  }

  leftOut(cell) {
    if (this.group && cell.dataset.group !== this.group) return true;
    return !this.told && this.isTold(cell);
  }

  filter() {
    // Only where corruptions are: a column of corruptions leaves the methods' headings alone.
    const across = this.header.some((cell) => cell.dataset.group);
    const down = this.rows.some((row) => row.cells[0].dataset.group);
    const check = (cell, holdsGroups) =>
      (holdsGroups ? this.leftOut(cell) : !this.told && this.isTold(cell));
    for (const row of this.rows) row.hidden = check(row.cells[0], down);
    this.header.forEach((cell, column) => {
      if (column < this.heads) return;
      const hidden = check(cell, across);
      cell.hidden = hidden;
      for (const row of this.rows) row.cells[column].hidden = hidden;
    });
  }

  show(view) {
    this.rows.forEach((row, r) => {
      [...row.cells].forEach((cell, c) => {
        if (c < this.heads) return;
        if (!view) { cell.innerHTML = this.original[r][c]; return; }
        const [text, low, high] = this.views[view][r][c - this.heads];
        cell.replaceChildren(text);
        if (low) cell.append(make("small", { textContent: `[${low}, ${high}]` }));
        const value = number(text);
        if (isNaN(value)) return;
        const bar = make("i");
        const sides = { from: 0, to: value, low: number(low || ""), high: number(high || "") };
        for (const [name, at] of Object.entries(sides)) {
          if (!isNaN(at)) bar.style.setProperty(`--${name}`, at);
        }
        cell.append(bar);
      });
    });
    this.arrange();
  }

  visible() { // rows of cells, the header first
    const rows = [...this.body.rows].filter((row) => !row.hidden);
    const kept = this.header.map((cell) => !cell.hidden);
    const pick = (cells) => [...cells].filter((_, c) => kept[c] !== false);
    return [this.header.length ? pick(this.header) : [], ...rows.map((row) => pick(row.cells))];
  }

  csv() {
    const rows = this.visible();
    const ranged = (rows[1] || []).map((_, c) => rows.slice(1).some((row) => row[c].querySelector("small")));
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    return rows.map((row, r) => row.flatMap((cell, c) => {
      const text = shown(cell).replaceAll("\u2212", "-").replace(/^\u2013$/, "");
      if (!ranged[c]) return [text];
      if (r === 0) return [text, `${text}_low`, `${text}_high`];
      const interval = cell.querySelector("small");
      const ends = interval ? interval.textContent.replaceAll("\u2212", "-").match(/[+-]?[\d.]+/g) : ["", ""];
      return [text, ...ends];
    }).map(quoted).join(",")).filter(Boolean).join("\n") + "\n";
  }

  latex() {
    const escaped = (text) => text.replace(/[\\{}$&#%_~^]/g, (c) => ({
      "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    }[c] || `\\${c}`)).replaceAll("\u2212", "$-$").replaceAll("\u2013", "--")
      .replaceAll("\u2020", "$\\dagger$").replaceAll("\u2021", "$\\ddagger$").replaceAll("\u00a7", "\\S{}");
    const written = (cell) => {
      let text = escaped(shown(cell));
      if (cell.querySelector("strong")) text = `\\textbf{${text}}`;
      const interval = cell.querySelector("small");
      return interval ? `${text} {\\scriptsize ${escaped(interval.textContent)}}` : text;
    };
    const [head, ...rows] = this.visible();
    const lines = rows.map((row) => `${row.map(written).join(" & ")} \\\\`);
    const columns = (rows[0] || []).map((cell) => (cell.tagName === "TH" ? "l" : "r")).join("");
    const header = head.length ? [`${head.map(written).join(" & ")} \\\\`, "\\midrule"] : [];
    return ["% needs booktabs", `\\begin{tabular}{${columns}}`, "\\toprule", ...header, ...lines,
      "\\bottomrule", "\\end{tabular}", ""].join("\n");
  }
}

async function copy(text) {
  window.lastCopied = text;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page from a file, in some browsers
    const area = make("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// Charts ------------------------------------------------------------------------------------------

const NEAR = 16; // how far from a point a pointer may be, in units of the drawing
const tip = make("div", { id: "tip", hidden: true });
const charts = [];

function point(chart, event) { // the nearest spot
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.svg.getScreenCTM().inverse());
  let best = null, least = NEAR;
  for (const spot of chart.spots) {
    if (picked && spot.series !== picked) continue;
    const distance = Math.hypot(spot.x - at.x, spot.y - at.y);
    if (distance < least) [best, least] = [spot, distance];
  }
  return best;
}

function tell(chart, spot, event) {
  if (chart.on) chart.on.classList.remove("on");
  chart.on = spot && spot.circle;
  tip.hidden = !spot;
  if (!spot) return;
  spot.circle.classList.add("on");
  tip.textContent = spot.text;
  const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 18 + tip.offsetHeight > window.innerHeight;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${below ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18}px`;
}

let picked = "";

function pick(series) { // shows one method alone in all charts; nothing shows all
  picked = series;
  for (const { svg, select } of charts) {
    const has = [...svg.querySelectorAll("[data-series]")].filter((e) => e.dataset.series === series);
    for (const element of svg.querySelectorAll(".chosen")) element.classList.remove("chosen");
    for (const element of has) element.classList.add("chosen");
    svg.classList.toggle("picked", has.length > 0);
    if (select) select.value = has.length ? series : "";
  }
}

function addChart(svg) {
  const circles = [...svg.querySelectorAll(".spots circle")];
  const spots = circles.map((circle) => {
    const title = circle.querySelector("title");
    const spot = {
      circle, x: circle.cx.baseVal.value, y: circle.cy.baseVal.value,
      series: circle.dataset.series, text: title.textContent,
    };
    title.remove(); // the page's own tip takes its place
    return spot;
  });
  const chart = { svg, spots, on: null, select: null };
  charts.push(chart);
  const names = [...new Set([...svg.querySelectorAll("[data-series]")].map((e) => e.dataset.series))];
  if (names.length > 1) {
    const [label, select] = choice(
      "Highlight", [["", "all"], ...names.map((name) => [name, name])], pick);
    chart.select = select;
    svg.parentElement.before(make("div", { className: "tools" }, label));
  }
  svg.addEventListener("pointermove", (event) => tell(chart, point(chart, event), event));
  svg.addEventListener("pointerleave", (event) => tell(chart, null, event));
  svg.addEventListener("click", (event) => {
    const element = event.target.closest("[data-series]");
    const spot = point(chart, event);
    const series = spot ? spot.series : element ? element.dataset.series : "";
    pick(series === picked ? "" : series);
    tell(chart, spot, event);
  });
}


// Images that one method gets right and another wrong ------------------------------------------------

function bytes(text) { return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)); }

class ImageBrowser {
  constructor(figure) {
    this.figure = figure;
    this.data = JSON.parse(figure.querySelector("script").textContent);
    const { methods, conditions, images } = this.data;
    this.cells = [methods.length, images.length];
    const wide = this.data.classes > 254;
    const raw = bytes(this.data.predicted);
    this.predicted = wide ? new Uint16Array(raw.buffer) : raw;
    this.absent = wide ? 65535 : 255; // one less: no valid answer, which is wrong
    this.confidence = bytes(this.data.confidence);
    this.counts = new Uint32Array(bytes(this.data.counts).buffer);
    const corruptions = [...new Set(conditions.map(([name]) => name))];
    const names = methods.map((name, m) => [String(m), name]);
    const change = () => this.show();
    let corruption, level, first, second;
    [corruption, this.corruption] = choice("Corruption", corruptions.map((n) => [n, n]), () => this.fillLevels());
    [level, this.level] = choice("Severity", [], change);
    [first, this.first] = choice("Right", names, change);
    [second, this.second] = choice("Wrong", names, change);
    [this.first.value, this.second.value] = this.data.start.map(String);
    const swap = make("button", {
      type: "button", textContent: "Swap",
      on: {
        click: () => {
          [this.first.value, this.second.value] = [this.second.value, this.first.value];
          this.show();
        },
      },
    });
    if (this.data.atlas) figure.style.setProperty("--atlas", this.data.atlas.source);
    this.told = make("p", { ariaLive: "polite" });
    this.grid = make("div", { className: "shown" });
    figure.append(
      make("div", { className: "tools" }, corruption, level, first, second, swap), this.told, this.grid);
    if (corruptions.length > 1) this.corruption.value = corruptions[1]; // after the clean images
    this.fillLevels();
  }

  fillLevels() {
    const found = this.data.conditions
      .map(([name, level], place) => [name, level, place])
      .filter(([name]) => name === this.corruption.value);
    this.level.replaceChildren(
      ...found.map(([, level, place]) => make("option", { value: String(place), textContent: level })));
    this.level.value = String(found[Math.floor(found.length / 2)][2]);
    this.show();
  }

  show() {
    const [place, a, b] = [this.level, this.first, this.second].map((s) => Number(s.value));
    const { methods, images, total } = this.data;
    const size = methods.length;
    const count = this.counts[(place * size + a) * size + b];
    const found = images.map((_, i) => i).filter((i) => this.isRight(place, a, i) && this.isWrong(place, b, i));
    if (a === b) {
      this.told.textContent = "Choose two different methods.";
    } else {
      const kept = found.length === count ? "all of them" : `${found.length} of them`;
      this.told.textContent = `${methods[a]} is right and ${methods[b]} wrong on ${count} of `
        + `${total.toLocaleString("en")} images; ${count ? kept : "none"} shown here`
        + (found.length === count ? "." : ` (this page holds ${images.length} images).`);
    }
    this.grid.replaceChildren(...found.map((i) => this.entry(place, a, b, i)));
  }

  at(place, method, image) {
    const [methods, images] = this.cells;
    return (place * methods + method) * images + image;
  }

  isRight(place, method, image) {
    return this.predicted[this.at(place, method, image)] === this.data.truth[image];
  }

  isWrong(place, method, image) {
    const said = this.predicted[this.at(place, method, image)];
    return said !== this.absent && said !== this.data.truth[image];
  }

  name(label) {
    return label === this.absent - 1 ? "no valid answer" : this.data.names[label] || `class ${label}`;
  }

  entry(place, a, b, image) {
    const said = (method, kind) => {
      const at = this.at(place, method, image);
      const text = `${this.name(this.predicted[at])} (${this.confidence[at]}\u00a0%)`;
      return [make("dt", { textContent: this.data.methods[method] }),
        make("dd", { className: kind, textContent: text })];
    };
    const title = `image ${this.data.images[image]}`;
    const truth = this.name(this.data.truth[image]);
    const entry = make("div");
    const { atlas } = this.data;
    if (atlas) {
      const picture = make("div", { className: "thumbnail", role: "img", ariaLabel: `${title}, ${truth}` });
      const [column, row] = [image % atlas.columns, Math.floor(image / atlas.columns)];
      Object.assign(picture.style, {
        backgroundSize: `${64 * atlas.columns}px auto`,
        backgroundPosition: `${-64 * column}px ${-64 * row}px`,
      });
      entry.append(picture);
    }
    entry.append(make("dl", {},
      make("dt", { textContent: "image" }), make("dd", { textContent: String(this.data.images[image]) }),
      make("dt", { textContent: "truth" }), make("dd", { textContent: truth }),
      ...said(a, "right"), ...said(b, "wrong")));
    return entry;
  }
}

document.body.append(tip);
for (const table of document.querySelectorAll("table.results:not(.wraps)")) new ResultTable(table);
for (const svg of document.querySelectorAll(".plot svg")) addChart(svg);
for (const figure of document.querySelectorAll("figure.browser")) new ImageBrowser(figure);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") pick(""); });

// What a page does where it cannot load a library.
//
// Scripts are written into the page one after the other, so that what comes
// later finds them: each is tried only where those before have given nothing.
window.offline = {
  names: {plotly: "Plotly", gridjs: "gridjs", anime: "anime"},

  load(library, sources) {
    for (const source of [...sources, null]) {
      document.write(source === null
        ? `<script>window.offline.end("${library}")<\/script>`
        : `<script>window.offline.next("${library}", "${source}")<\/script>`);
    }
  },

  next(library, source) {
    if (!window[this.names[library]]) {
      document.write(`<script src="${source}"><\/script>`);
    }
  },

  end(library) {
    if (window[this.names[library]]) return;
    window[this.names[library]] = this[library]();
    if (library === "plotly") {
      this.say("This page draws its curves with plotly.js, which is neither "
        + "beside it (plotly.min.js) nor on the network. Its tables are "
        + "here: choose another chart type.");
    }
  },

  say(text) {
    const line = document.createElement("p");
    line.id = "offline";
    line.setAttribute("role", "alert");
    line.style = "padding: 1em; background: #fde68a; color: #000";
    line.textContent = text;
    document.body.prepend(line);
  },

  // Whatever is asked of it, nothing happens: the brand without animation,
  // and no curves.
  nothing() {
    const still = new Proxy(() => still, {
      get: (_, name) => name === Symbol.toPrimitive ? () => "" : still});
    return still;
  },
  anime() { return this.nothing(); },
  plotly() { return this.nothing(); },

  // A plain table, which a click on a column's name sorts.
  gridjs() {
    class Grid {
      constructor(options) { this.options = options; }
      on() { return this; }
      updateConfig(options) {
        Object.assign(this.options, options);
        return this;
      }
      render(element) {
        this.element = element;
        return this.forceRender();
      }
      forceRender() {
        const shown = this.options.columns
          .map((column, k) => ({...column, k})).filter(c => !c.hidden);
        const table = document.createElement("table");
        table.className = "gridjs-table w-full text-sm";
        const head = table.createTHead().insertRow();
        for (const column of shown) {
          const cell = document.createElement("th");
          cell.className = "gridjs-th";
          cell.style = "text-align: left; cursor: pointer; padding: 4px 8px";
          cell.innerHTML = "<span class='gridjs-th-content'></span>";
          cell.firstChild.textContent = column.name;
          cell.onclick = () => this.sort(column);
          head.append(cell);
        }
        const body = table.createTBody();
        for (const row of this.options.data || []) {
          const line = body.insertRow();
          for (const column of shown) {
            const cell = line.insertCell();
            const text = column.formatter
              ? column.formatter(row[column.k]) : row[column.k];
            cell.style = "padding: 4px 8px; border-top: 1px solid #ddd";
            if (text && text.html !== undefined) cell.innerHTML = text.html;
            else cell.textContent = text;
          }
        }
        const box = document.createElement("div");
        box.className = "gridjs-container";
        box.style = "overflow-x: auto";
        box.append(table);
        this.element.replaceChildren(box);
        return this;
      }
      sort(column) {
        this.up = this.by === column.k ? !this.up : true;
        this.by = column.k;
        const compare = column.sort && column.sort.compare
          || ((a, b) => a > b ? 1 : a < b ? -1 : 0);
        this.options.data = [...this.options.data].sort((a, b) =>
          (this.up ? 1 : -1) * compare(a[column.k], b[column.k]));
        this.forceRender();
      }
    }
    return {Grid, html: text => ({html: text})};
  },
};

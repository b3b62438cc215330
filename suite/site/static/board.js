// The index: choose a table; sort, filter, search; hide columns; download what is shown.
// The whole state is the address's fragment: `show` reads it, `go` writes it, nothing else holds it.
// What came from records becomes text nodes and checked links, never markup.
"use strict";

const ratbench = (() => {
  const MOST = 300; // rows drawn at once
  const UNITS = { "": 1, s: 1, min: 60, h: 3600, d: 86400, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, "%": 1 };
  const SCALE = { percent: 100 };
  const DOWN = new Set(["percent"]); // kinds whose largest value is the best
  const collator = new Intl.Collator("en", { numeric: true });

  const find = (id) => document.getElementById(id);
  const { columns: kinds, tables } = JSON.parse(find("overview").textContent);
  const loaded = new Map(); // the rows of tables, by slug
  let drawn = null; // what the table shows: its state, its rows

  const add = (slug, content) => loaded.set(slug, content);
  for (const block of document.querySelectorAll("script[data-rows]")) {
    add(block.dataset.rows, JSON.parse(block.textContent));
  }

  // Rows of other tables are scripts, since a page that is opened from a folder may load nothing else.
  const load = (slug) => loaded.has(slug) ? Promise.resolve() : new Promise((done, failed) => {
    const script = element("script", { src: `data/${slug}.js` });
    script.addEventListener("load", done);
    script.addEventListener("error", () => failed(new Error(`data/${slug}.js is missing`)));
    document.head.append(script);
  });

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // State

  let fragment = ""; // the last one that is a state: "#main" leads to a part of the page

  const read = () => {
    if (location.hash.includes("=") || location.hash.length < 2) fragment = location.hash.slice(1);
    const found = new URLSearchParams(fragment);
    const table = tables.find((each) => each.slug === found.get("table")) ?? tables[0];
    const [, key, way] = /^(.*)\.(up|down)$/.exec(found.get("sort") ?? "") ?? [];
    const keys = kinds[table.columns].map((column) => column.key);
    const listed = (name) => new Set(found.getAll(name).filter((each) => keys.includes(each)));
    const where = keys.map((each) => [each, found.get(`where.${each}`)]).filter(([, text]) => text);
    return {
      table,
      sort: keys.includes(key) ? { key, down: way === "down" } : null,
      search: found.get("search") ?? "",
      hide: listed("hide"),
      show: listed("show"),
      where: new Map(where),
    };
  };

  const written = ({ table, sort, search, hide, show, where }) => {
    const found = new URLSearchParams();
    if (table !== tables[0]) found.set("table", table.slug);
    if (sort) found.set("sort", `${sort.key}.${sort.down ? "down" : "up"}`);
    if (search) found.set("search", search);
    for (const key of hide) found.append("hide", key);
    for (const key of show) found.append("show", key);
    for (const [key, text] of where) if (text) found.set(`where.${key}`, text);
    return `#${found}`;
  };

  // Typing replaces the address; every other step can be undone by the back button.
  const go = (change, typing = false) => {
    const address = written({ ...read(), ...change });
    if (address === (location.hash || "#")) return;
    history[typing ? "replaceState" : "pushState"](null, "", address);
    show();
  };

  // Rows: [number of the method, [[seed, page of the set], …], cell, …]; a cell is a text or [text, value, …]

  const text = (cell) => String((Array.isArray(cell) ? cell[0] : cell) ?? "");
  const values = (cell) => Array.isArray(cell) ? cell.slice(1) : [cell === "" ? null : cell];
  const cell = (row, at) => row[at + 2];
  const words = (content, row) => {
    const method = content.methods[row[0]];
    return [...row.slice(2).map(text), method?.name, method?.about].join(" ").toLowerCase();
  };

  // `> 72`, `<= 5 min`, `70..75`: a test of a number; any other text: a test of the cell's text.
  // undefined if the text begins as the former and does not go on so.
  const test = (column, asked) => {
    const wanted = asked.trim().toLowerCase();
    if (column.kind === "choice") return (shown) => shown.toLowerCase() === wanted;
    const number = (part) => {
      const found = /^(-?[\d.]+(?:e[+-]?\d+)?)\s*([a-z%]*)$/.exec(part.trim().replace("−", "-"));
      return found && found[2] in UNITS ? Number(found[1]) * UNITS[found[2]] : NaN;
    };
    const compared = /^(<=|>=|<|>|=|≤|≥)(.*)$/.exec(wanted);
    if (compared && column.kind !== "text") {
      const [, sign, limit] = [...compared.slice(0, 2), number(compared[2])];
      if (Number.isNaN(limit)) return undefined;
      const tests = { "<": (x) => x < limit, ">": (x) => x > limit, "=": (x) => x === limit };
      const chosen = tests[sign] ?? ("<=≤".includes(sign) ? (x) => x <= limit : (x) => x >= limit);
      return (_, value) => typeof value === "number" && chosen(value);
    }
    const [low, high] = wanted.split("..").map(number);
    if (wanted.includes("..") && column.kind !== "text") {
      if (Number.isNaN(low) || Number.isNaN(high)) return undefined;
      return (_, value) => typeof value === "number" && low <= value && value <= high;
    }
    return (shown) => shown.toLowerCase().includes(wanted);
  };

  const chosen = (state, content) => {
    const columns = kinds[state.table.columns];
    const tests = [];
    for (const [key, asked] of state.where) {
      const at = columns.findIndex((column) => column.key === key);
      const passes = test(columns[at], asked);
      const scale = SCALE[columns[at].kind] ?? 1;
      if (passes) tests.push((row) => {
        const [value] = values(cell(row, at));
        return passes(text(cell(row, at)), typeof value === "number" ? round(value * scale) : value);
      });
    }
    const asked = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    return content.rows.filter((row) =>
      tests.every((passes) => passes(row)) && (!asked.length || asked.every((word) => words(content, row).includes(word))));
  };

  const round = (value) => Math.round(value * 1e6) / 1e6;

  // Empty cells come last, whichever way. Sorting is stable, so equal rows stay in the order of the board.
  const compare = (at, down) => (a, b) => {
    const [first, second] = [values(cell(a, at))[0] ?? null, values(cell(b, at))[0] ?? null];
    if (first === null || second === null) return (first === null) - (second === null);
    const order = typeof first === "number" && typeof second === "number"
      ? first - second : collator.compare(first, second);
    return down ? -order : order;
  };

  // The rows in order, in groups that may be compared: [name or "", rows]
  const grouped = (state, rows) => {
    if (!state.sort) return [["", rows]];
    const columns = kinds[state.table.columns];
    const at = columns.findIndex((column) => column.key === state.sort.key);
    const sorted = [...rows].sort(compare(at, state.sort.down));
    const device = columns.findIndex((column) => column.key === "device");
    if (!columns[at].per_device || device < 0) return [["", sorted]];
    const groups = Map.groupBy(sorted, (row) => text(cell(row, device)));
    const names = [...groups.keys()].sort((a, b) => (a === "") - (b === "") || collator.compare(a, b));
    return names.map((name) => [names.length > 1 ? name || "no device" : "", groups.get(name)]);
  };

  const visible = (state, content) => {
    const every = [...content.rows, ...content.footer];
    return kinds[state.table.columns]
      .map((column, at) => ({ column, at }))
      .filter(({ column, at }) => state.show.has(column.key) ||
        (column.shown && !state.hide.has(column.key) && every.some((row) => text(cell(row, at)))));
  };

  // Drawing

  const line = (content, row, shown) => {
    const method = content.methods[row[0]];
    const made = element("tr");
    for (const { column, at } of shown) {
      const words = text(cell(row, at));
      if (column.key === "method" && method) {
        const parts = [element("a", { href: method.page }, method.name), " ", element("code", {}, words)];
        if (method.paper) {
          parts.push(" ", element("a", { class: "paper", href: method.paper, rel: "noreferrer", "aria-label": `paper of ${method.name}` }, "paper"));
        }
        made.append(element("th", { scope: "row" }, ...parts));
      } else if (column.key === "method") {
        made.append(element("th", { scope: "row" }, words));
      } else if (column.key === "sets") {
        const links = row[1].map(([seed, page]) => element("a", { href: page, "aria-label": `set of seed ${seed}` }, String(seed)));
        made.append(element("td", {}, ...links.flatMap((link) => [link, " "]).slice(0, -1)));
      } else {
        made.append(element("td", { class: column.key === "device" ? "choice device" : column.kind }, words || (column.left ? "" : "–")));
      }
    }
    return made;
  };

  const head = (state, shown) => {
    const titles = element("tr"), filters = element("tr", { class: "filters", hidden: "" });
    for (const { column } of shown) {
      const button = element("button", { type: "button", title: column.help }, column.heading);
      button.addEventListener("click", () => {
        const { sort } = read();
        const down = sort?.key === column.key ? !sort.down : DOWN.has(column.kind);
        go({ sort: { key: column.key, down } });
      });
      titles.append(element("th", { scope: "col", class: column.kind, "data-key": column.key }, button));
      const input = element("input", { "aria-label": `filter ${column.heading}`, "data-key": column.key, autocomplete: "off",
        placeholder: ["text", "choice"].includes(column.kind) ? "" : "> < .." });
      input.addEventListener("input", () => go({ where: new Map([...read().where, [column.key, input.value]]) }, true));
      filters.append(element("td", {}, input));
    }
    find("table").tHead.replaceChildren(titles, filters);
  };

  const draw = (state, content, all = false) => {
    const table = find("table");
    const shown = visible(state, content);
    const layout = [state.table.slug, ...shown.map(({ column }) => column.key)].join();
    if (layout !== drawn?.layout) head(state, shown);
    for (const title of table.tHead.rows[0].cells) {
      const sorted = state.sort ? state.sort.key === title.dataset.key : title.dataset.key === "rank";
      if (sorted) title.setAttribute("aria-sort", state.sort?.down ? "descending" : "ascending");
      else title.removeAttribute("aria-sort");
    }
    const groups = grouped(state, chosen(state, content));
    const rows = groups.flatMap(([, each]) => each);
    let left = all ? Infinity : MOST;
    const bodies = groups.map(([name, each]) => {
      const body = element("tbody");
      if (name && left > 0) {
        body.append(element("tr", { class: "group" }, element("th", { scope: "rowgroup", colspan: shown.length }, element("span", {}, name))));
      }
      body.append(...each.slice(0, Math.max(0, left)).map((row) => line(content, row, shown)));
      left -= each.length;
      return body;
    });
    for (const body of [...table.tBodies]) body.remove();
    table.tHead.after(...bodies);
    table.tFoot.replaceChildren(...content.footer.map((row) => line(content, row, shown)));
    table.caption.firstElementChild.textContent = content.title;
    table.parentElement.setAttribute("aria-label", `Table: ${content.title}`);
    document.querySelector("p.rest")?.remove();
    find("more").parentElement.hidden = left >= 0;
    find("more").textContent = `Show all ${rows.length} rows`;
    find("figures").href = content.figures;
    find("figures").parentElement.hidden = !content.figures;
    find("page").href = `tables/${state.table.slug}.html`;
    drawn = { state, content, shown, rows, layout };
    controls(state, content, rows.length);
  };

  async function show() {
    const state = read();
    try {
      await load(state.table.slug);
    } catch (error) {
      find("status").textContent = `${error.message}: run ratbench site again.`;
      return;
    }
    if (written(read()) === written(state)) draw(state, loaded.get(state.table.slug));
  }

  // Controls

  const options = (select, names, chosen) => {
    select.replaceChildren(...names.map((name) => {
      const option = element("option", { value: name }, name || "–");
      option.selected = name === chosen;
      return option;
    }));
    select.closest("label").hidden = names.length < 2;
  };

  const PLACES = ["evaluator", "task", "size", "network"];
  const unique = (names) => [...new Set(names.map(String))];

  const controls = (state, content, count) => {
    // Each list has what exists under the choices before it.
    let under = tables;
    for (const place of PLACES) {
      options(find(place), unique(under.map((table) => table[place])), String(state.table[place]));
      under = under.filter((table) => table[place] === state.table[place]);
    }
    const columns = kinds[state.table.columns];
    const device = columns.findIndex((column) => column.key === "device");
    const devices = unique(content.rows.map((row) => text(cell(row, device)))).filter(Boolean).sort(collator.compare);
    const asked = devices.find((name) => name.toLowerCase() === state.where.get("device")?.toLowerCase());
    options(find("device"), devices.length > 1 ? ["", ...devices] : [], asked ?? "");
    if (find("device").options.length) find("device").options[0].textContent = "all";

    if (document.activeElement !== find("search")) find("search").value = state.search;
    const row = find("table").tHead.rows[1];
    const open = state.where.size > 0 || find("filter").getAttribute("aria-pressed") === "true";
    row.hidden = !open;
    find("filter").setAttribute("aria-pressed", String(open));
    const wrong = [];
    for (const input of row.querySelectorAll("input")) {
      const column = columns.find((each) => each.key === input.dataset.key);
      const wanted = state.where.get(column.key) ?? "";
      if (document.activeElement !== input) input.value = wanted;
      const refused = wanted && !test(column, wanted);
      input.setAttribute("aria-invalid", String(Boolean(refused)));
      if (refused) wrong.push(column.heading);
    }
    const set = find("columns").querySelector("fieldset");
    if (set.dataset.columns !== String(state.table.columns)) {
      set.replaceChildren(set.firstElementChild, ...columns.map(box));
      set.dataset.columns = state.table.columns;
      find("meanings").replaceChildren(...columns.map(({ heading, help }) =>
        element("div", {}, element("dt", {}, heading), element("dd", {}, help))));
    }
    for (const each of set.querySelectorAll("input")) {
      each.checked = drawn.shown.some(({ column }) => column.key === each.dataset.key);
    }

    const total = content.rows.length;
    const sort = columns.find((column) => column.key === state.sort?.key);
    find("status").textContent = [
      `${count === total ? total : `${count} of ${total}`} ${total === 1 ? "row" : "rows"}`,
      sort && `sorted by ${sort.heading}, ${state.sort.down ? "descending" : "ascending"}${sort.per_device && devices.length > 1 ? ", each device separately" : ""}`,
      wrong.length && `cannot read the filter of ${wrong.join(" and ")}: write > 70, <= 5 min or 70..75`,
    ].filter(Boolean).join(" · ");
  };

  const box = (column) => {
    const made = element("input", { type: "checkbox", "data-key": column.key });
    made.addEventListener("change", () => {
      const { hide, show } = read();
      for (const set of [hide, show]) set.delete(column.key);
      (made.checked ? show : hide).add(column.key);
      go({ hide, show });
    });
    return element("label", {}, made, ` ${column.heading}`);
  };

  // Downloads: the rows and columns that are shown, with the values of the board's own CSV

  const records = () => {
    const { content, rows, shown } = drawn;
    return [...rows, ...content.footer].map((row) => {
      const made = { ...content.facts };
      for (const { column, at } of shown) {
        const found = values(cell(row, at));
        column.fields.forEach((name, place) => { made[name] = found[place] ?? null; });
      }
      return made;
    });
  };

  // A text that begins as a formula is quoted, since spreadsheets would run it.
  const quoted = (value) => {
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const csv = (lines) => {
    const names = Object.keys(lines[0] ?? drawn.content.facts);
    return [names, ...lines.map((each) => names.map((name) => each[name]))].map((each) => `${each.map(quoted).join(",")}\n`).join("");
  };

  const save = (content, type, ending) => {
    const address = URL.createObjectURL(new Blob([content], { type }));
    element("a", { href: address, download: `${drawn.state.table.slug}.${ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };

  // Listeners

  for (const place of PLACES) {
    find(place).addEventListener("change", () => {
      const { table, where } = read();
      const wanted = PLACES.map((each) => (each === place ? find(place).value : String(table[each])));
      const fits = (each) => PLACES.map((name, at) => String(each[name]) === wanted[at]);
      const at = PLACES.indexOf(place);
      const possible = tables.filter((each) => fits(each).slice(0, at + 1).every(Boolean));
      const best = Math.max(...possible.map((each) => fits(each).filter(Boolean).length));
      where.delete("device");
      go({ table: possible.find((each) => fits(each).filter(Boolean).length === best), where });
    });
  }
  find("device").addEventListener("change", () => go({ where: new Map([...read().where, ["device", find("device").value]]) }));
  find("search").addEventListener("input", () => go({ search: find("search").value }, true));
  find("filter").addEventListener("click", () => {
    const open = find("filter").getAttribute("aria-pressed") !== "true";
    find("filter").setAttribute("aria-pressed", String(open));
    if (!open) go({ where: new Map() });
    find("table").tHead.rows[1].hidden = !open;
    if (open) find("table").tHead.rows[1].querySelector("input").focus();
  });
  find("reset").addEventListener("click", () => {
    find("filter").setAttribute("aria-pressed", "false");
    go({ sort: null, search: "", hide: new Set(), show: new Set(), where: new Map() });
    show();
  });
  find("more").addEventListener("click", () => draw(drawn.state, drawn.content, true));
  find("csv").addEventListener("click", () => save(csv(records()), "text/csv", "csv"));
  find("json").addEventListener("click", () => save(`${JSON.stringify(records(), null, 1)}\n`, "application/json", "json"));
  find("controls").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !find("columns").open) return;
    find("columns").open = false;
    find("columns").querySelector("summary").focus();
  });
  addEventListener("click", (event) => {
    if (!find("columns").contains(event.target)) find("columns").open = false;
  });
  addEventListener("hashchange", show);

  find("controls").hidden = false;
  show();
  return { add };
})();

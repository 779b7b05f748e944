// What the page does beyond standing there: tips, a crosshair over all charts of time, series on and off, sorting, the theme, copying.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- Tips: by pointer, or with the arrow keys on a chart ----------------------------------------------------------
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - width - 4)) + "px";
    tip.style.top = (y + 18 + height > innerHeight ? y - height - 8 : y + 18) + "px";
  };
  const hideTip = () => { tip.hidden = true; };
  // A browser's own tip would lie over ours.
  all("[data-tip] > title").forEach((title) => title.remove());
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest?.("[data-tip]");
    if (mark) showTip(mark.dataset.tip, event.clientX, event.clientY); else hideTip();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  for (const chart of all("svg.chart")) {
    chart.tabIndex = 0;
    let at = -1;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const marks = all("[data-tip]", chart).filter((mark) => !mark.closest(".series[hidden]"));
      if (!step || !marks.length) return;
      event.preventDefault();
      at = (at + step + marks.length) % marks.length;
      const box = marks[at].getBoundingClientRect();
      showTip(marks[at].dataset.tip, box.left + box.width / 2, box.top + box.height / 2);
    });
    chart.addEventListener("blur", hideTip);
  }

  // ---- One crosshair for all charts over time -----------------------------------------------------------------------
  const timed = all("svg.chart[data-time-to]").map((svg) => {
    const number = (name) => Number(svg.dataset[name]);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", "crosshair");
    line.setAttribute("y1", number("plotTop"));
    line.setAttribute("y2", number("plotBottom"));
    line.style.display = "none";
    svg.append(line);
    return { svg, line, left: number("plotLeft"), right: number("plotRight"), from: number("timeFrom"), to: number("timeTo") };
  });
  const crosshair = (time) => {
    for (const { line, left, right, from, to } of timed) {
      const share = (time - from) / (to - from);
      const isShown = share >= 0 && share <= 1;
      line.style.display = isShown ? "" : "none";
      if (isShown) ["x1", "x2"].forEach((name) => line.setAttribute(name, left + share * (right - left)));
    }
  };
  for (const { svg, left, right, from, to } of timed) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      crosshair(from + ((x - left) / (right - left)) * (to - from));
    });
    svg.addEventListener("pointerleave", () => crosshair(NaN));
  }

  // ---- Series on and off, in all charts -----------------------------------------------------------------------------
  for (const button of all("button[data-toggle-series]")) {
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isShown));
      for (const group of all(`.series[data-series="${button.dataset.toggleSeries}"]`)) group.toggleAttribute("hidden", !isShown);
    });
  }

  // ---- Sorting: a click on a column's head, again for the other way -------------------------------------------------
  for (const button of all("th button[data-sort]")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const body = head.closest("table").tBodies[0];
      const column = head.cellIndex;
      const isUp = head.getAttribute("aria-sort") !== "ascending";
      all("th", head.parentNode).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        const isNumber = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
        return (isNumber ? x - y : String(x).localeCompare(y)) * (isUp ? 1 : -1);
      };
      [...body.rows].sort(compare).forEach((row) => body.append(row));
    });
  }

  // ---- Theme, copying, printing -------------------------------------------------------------------------------------
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const theme = document.getElementById("theme");
  theme?.setAttribute("aria-pressed", String(isDark()));
  theme?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    theme.setAttribute("aria-pressed", String(isDark()));
  });
  for (const button of all("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      }
    });
  }
  // Paper cannot be unfolded; afterwards all is as it was.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = all("details:not([open])");
    unfolded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => unfolded.forEach((details) => { details.open = false; }));
})();

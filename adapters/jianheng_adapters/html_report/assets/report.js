// Filtering and opening. Without this file every page still shows everything.
"use strict";

(function () {
  const pointsText = (thousandths) => {
    const size = Math.abs(thousandths);
    const part = String(size % 1000).padStart(3, "0");
    return `${thousandths < 0 ? "-" : ""}${Math.floor(size / 1000)}.${part}`;
  };

  const openTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const box = target && target.closest("details");
    if (box) {
      box.open = true;
      target.scrollIntoView({ block: "center", behavior: "instant" });
    }
  };

  const startFilter = (form) => {
    const cases = [...document.querySelectorAll("[data-case]")];
    const rows = [...document.querySelectorAll("tr[data-points]")].map((row) => {
      const box = row.closest("[data-case]");
      const title = box ? box.querySelector("summary").textContent : "";
      return { row, text: `${title} ${row.textContent}`.toLowerCase() };
    });
    const sum = document.querySelector("[data-sum]");
    const whole = sum.textContent;
    const value = (name) => (form.elements[name] ? form.elements[name].value.trim().toLowerCase() : "");

    const apply = () => {
      const words = value("text").split(/\s+/).filter(Boolean);
      const indicator = value("indicator");
      const state = value("state");
      const filtering = Boolean(words.length || indicator || state);
      let count = 0;
      let total = 0;
      for (const { row, text } of rows) {
        const shown =
          words.every((word) => text.includes(word)) &&
          (!indicator || row.dataset.indicator.toLowerCase() === indicator) &&
          (!state || row.dataset.state === state);
        row.hidden = !shown;
        if (shown) {
          count += 1;
          total += Number(row.dataset.points);
        }
      }
      for (const box of cases) {
        box.hidden = !box.querySelector("tr[data-points]:not([hidden])");
        if (filtering && count <= 200) {
          box.open = true;
        }
      }
      sum.textContent = filtering ? `筛选出 ${count} 条，合计 ${pointsText(total)} 分` : whole;
    };

    const show = (indicator) => {
      const select = form.elements.indicator;
      const known = [...select.options].some((option) => option.value === indicator);
      form.reset();
      select.value = known ? indicator : "";
      apply();
    };

    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(apply, 120);
    });
    form.addEventListener("reset", () => setTimeout(apply));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("click", (event) => {
      const open = event.target.hasAttribute("data-open");
      if (open || event.target.hasAttribute("data-close")) {
        for (const box of cases) {
          box.open = open;
        }
      }
    });
    for (const link of document.querySelectorAll("[data-show-indicator]")) {
      link.addEventListener("click", () => show(link.dataset.showIndicator));
    }
    form.hidden = false;
  };

  document.querySelectorAll("form[data-filter]").forEach(startFilter);
  window.addEventListener("hashchange", openTarget);
  window.addEventListener("beforeprint", () => {
    for (const box of document.querySelectorAll("details")) {
      box.open = true;
    }
  });
  openTarget();
})();

// Rating input: click, tap or drag, or use the arrow keys and Enter. Assistive technology sees a slider.
const STAR = "M12 1.9l3.1 6.3 6.95 1-5.03 4.9 1.19 6.92L12 17.75l-6.21 3.27 1.19-6.92L1.95 9.2l6.95-1z";

function element(name, parent, text = "") {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  parent.append(made);
  return made;
}

function star(parent) {
  for (const layer of ["empty", "full"]) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("class", layer);
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", STAR);
    svg.append(path);
    parent.append(svg);
  }
}

// Each kind draws itself, shows a value (null: none), and turns a place from 0 (left) to 1 (right) into a value.
const KINDS = {
  stars: {
    draw: (root, data) => {
      for (let n = 0; n < data.high; n += 1) star(element("star", root));
    },
    paint: (root, value) =>
      [...root.children].forEach((one, n) => {
        const filled = Math.min(Math.max((value ?? 0) - n, 0), 1);
        one.lastElementChild.style.clipPath = `inset(0 ${100 - 100 * filled}% 0 0)`;
      }),
    at: (place, { high, step }) => {
      const steps = (place * high) / step;
      return (steps < 0.5 ? 0 : Math.ceil(steps)) * step; // the very left is the lowest rating
    },
  },
  choices: {
    draw: (root, data) => data.values.forEach((value, n) => element("choice", root, data.names[n] ?? value.toFixed(data.decimals))),
    paint: (root, value, data) =>
      [...root.children].forEach((one, n) => {
        one.classList.toggle("on", value !== null && Math.abs(data.values[n] - value) < data.step / 2);
        one.classList.toggle("below", value !== null && data.values[n] < value);
      }),
    at: (place, { values }) => values[Math.min(Math.max(Math.floor(place * values.length), 0), values.length - 1)],
  },
  slider: {
    draw: (root) => element("fill", element("track", root)) && element("thumb", root),
    paint: (root, value, { low, high }) => {
      root.classList.toggle("unrated", value === null);
      root.style.setProperty("--at", `${value === null ? 0 : (100 * (value - low)) / (high - low)}%`);
    },
    at: (place, { low, high }) => low + place * (high - low),
  },
};

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const slider = parentElement.querySelector(".input");
  const output = parentElement.querySelector(".value");
  const { low, high, step } = data;
  const kind = KINDS[data.kind];
  const layout = JSON.stringify([data.kind, low, high, step]);
  if (slider.dataset.layout !== layout) {
    slider.dataset.layout = layout;
    slider.className = `input ${data.kind}`;
    slider.replaceChildren();
    kind.draw(slider, data);
    const ends = data.kind === "slider" ? [low, high] : ["", ""];
    parentElement.querySelectorAll(".end").forEach((end, n) => (end.textContent = ends[n]));
  }

  const onScale = (value) => {
    const inside = Math.min(Math.max(value, low), high);
    const nearest = Number((low + Math.round((inside - low) / step) * step).toFixed(6));
    return high - inside < Math.abs(nearest - inside) ? high : nearest; // the last step may be shorter
  };
  const named = (value) => (value === null ? undefined : data.names[data.values.indexOf(Number(value))]);
  const spoken = (value) => named(value) ?? (low < 0 ? `${value}, from ${low} to ${high}` : `${value} of ${high}`);
  let shown = data.value;
  const show = (value, text) => {
    shown = value;
    kind.paint(slider, value, data);
    const number = value === null ? null : String(Number(value.toFixed(Math.max(data.decimals, 2))));
    output.textContent = text ?? named(number) ?? number ?? data.invitation;
    slider.setAttribute("aria-valuenow", value === null ? low : value);
    slider.setAttribute("aria-valuetext", number === null ? "not rated" : spoken(number));
  };
  const under = (event) => {
    const box = slider.getBoundingClientRect();
    return onScale(kind.at((event.clientX - box.left) / box.width, data));
  };
  const rate = (value) => {
    show(value, "Saving…");
    setTriggerValue("rated", value);
  };

  slider.setAttribute("aria-label", data.label);
  slider.setAttribute("aria-valuemin", low);
  slider.setAttribute("aria-valuemax", high);
  let held = false; // whether the slider is being dragged
  slider.onpointerdown = (event) => {
    if (data.kind !== "slider" || event.button !== 0) return;
    held = true;
    slider.setPointerCapture(event.pointerId);
    show(under(event));
  };
  slider.onpointermove = (event) => (held || event.pointerType === "mouse") && show(under(event));
  slider.onpointerup = (event) => {
    if (held) rate(under(event));
    held = false;
  };
  slider.onpointercancel = () => {
    held = false;
    show(data.value);
  };
  slider.onpointerleave = () => held || shown === data.value || show(data.value);
  slider.onblur = () => show(data.value);
  slider.onclick = (event) => data.kind !== "slider" && rate(under(event));
  slider.onkeydown = (event) => {
    const { page } = data;
    const moves = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, PageUp: page, PageDown: -page };
    if (event.key in moves) show(shown === null ? data.middle : onScale(shown + moves[event.key]));
    else if (event.key === "Home") show(low);
    else if (event.key === "End") show(high);
    else if ((event.key === "Enter" || event.key === " ") && shown !== null) rate(shown);
    else if (event.key === "Escape") show(data.value);
    else return;
    event.preventDefault();
  };
  show(data.value);
}

// Half-star input: click or tap to rate, or use the arrow keys and Enter. Assistive technology sees a slider.
const SHAPE = "M12 1.9l3.1 6.3 6.95 1-5.03 4.9 1.19 6.92L12 17.75l-6.21 3.27 1.19-6.92L1.95 9.2l6.95-1z";

function draw(root, stars) {
  root.replaceChildren();
  for (let n = 0; n < stars; n += 1) {
    const star = document.createElement("span");
    star.className = "star";
    for (const layer of ["empty", "full"]) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 24 24");
      svg.setAttribute("class", layer);
      svg.setAttribute("aria-hidden", "true");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", SHAPE);
      svg.append(path);
      star.append(svg);
    }
    root.append(star);
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const slider = parentElement.querySelector(".stars");
  const output = parentElement.querySelector(".value");
  const { origin, unit } = data; // value at the left edge, and of one star
  const step = unit / 2;
  const middle = origin + (data.stars * unit) / 2;
  if (slider.childElementCount !== data.stars) draw(slider, data.stars);

  let shown = data.value;
  const show = (value, text) => {
    shown = value;
    [...slider.children].forEach((star, n) => {
      const filled = value === null ? 0 : Math.min(Math.max((value - origin) / unit - n, 0), 1);
      star.lastElementChild.style.clipPath = `inset(0 ${100 - 100 * filled}% 0 0)`;
    });
    const number = value === null ? null : String(value);
    output.textContent = text ?? number ?? data.invitation;
    slider.setAttribute("aria-valuenow", value === null ? data.low : value);
    slider.setAttribute("aria-valuetext", number === null ? "not rated" : `${number} of ${data.high}`);
  };
  const clamp = (value) => Math.min(Math.max(origin + Math.round((value - origin) / step) * step, data.low), data.high);
  const under = (event) => {
    const box = slider.getBoundingClientRect();
    const halves = ((event.clientX - box.left) / box.width) * data.stars * 2;
    return clamp(origin + (halves < 0.5 ? 0 : Math.ceil(halves)) * step); // the very left is the lowest rating
  };
  const rate = (value) => {
    show(value, `Saving ${value}…`);
    setTriggerValue("rated", value);
  };

  slider.setAttribute("aria-label", data.label);
  slider.setAttribute("aria-valuemin", data.low);
  slider.setAttribute("aria-valuemax", data.high);
  slider.onpointermove = (event) => event.pointerType === "mouse" && show(under(event));
  slider.onpointerleave = () => show(data.value);
  slider.onblur = () => show(data.value);
  slider.onclick = (event) => rate(under(event));
  slider.onkeydown = (event) => {
    const moves = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step };
    if (event.key in moves) show(clamp((shown ?? middle) + (shown === null ? 0 : moves[event.key])));
    else if (event.key === "Home") show(data.low);
    else if (event.key === "End") show(data.high);
    else if ((event.key === "Enter" || event.key === " ") && shown !== null) rate(shown);
    else if (event.key === "Escape") show(data.value);
    else return;
    event.preventDefault();
  };
  show(data.value);
}

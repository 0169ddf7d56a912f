// What Streamlit leaves out for people who use the keyboard alone: the way into popovers, and a focus that is not lost.
const LOOK_MS = 100;
const PATIENCE_MS = 2000; // how long the page may take to show something of the same kind
const CONTROLS = 'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])';
const POPOVER = '[data-testid="stPopoverBody"]';

const main = () => document.querySelector('[data-testid="stMain"]');
const kind = (one) => one.getAttribute("role") ?? one.tagName;
const usable = (one) => !one.disabled && one.tabIndex >= 0 && one.getClientRects().length > 0;

// Controls in a part of the page, those inside components among them.
function controls(part) {
  return [...part.querySelectorAll("*")]
    .flatMap((one) => (one.shadowRoot ? [...one.shadowRoot.querySelectorAll(CONTROLS)] : one.matches(CONTROLS) ? [one] : []))
    .filter(usable);
}

// The content of a popover stands at the end of the document. Tab leads from its button into it, and out of it to the button.
function enterPopovers() {
  const listener = (event) => {
    const body = event.key === "Tab" && document.querySelector(POPOVER);
    const button = body && document.querySelector('[data-testid="stPopoverButton"][aria-expanded="true"]');
    if (!button) return;
    const inside = controls(body);
    const at = event.composedPath()[0];
    const goal = at === button && !event.shiftKey ? inside[0] : at === inside.at(event.shiftKey ? 0 : -1) ? button : null;
    if (!goal) return;
    event.preventDefault();
    goal.focus();
  };
  document.addEventListener("keydown", listener, true);
  return () => document.removeEventListener("keydown", listener, true);
}

// Where the control with the focus disappears (a rated movie leaves its list), the nearest one of its kind takes over.
function keepFocus() {
  let last = null;
  let byKey = false;
  const remember = (event) => {
    const one = event.composedPath()[0];
    const box = one.getBoundingClientRect?.();
    if (box) last = { one, kind: kind(one), x: box.left, y: box.top, gone: 0 };
  };
  const press = (event) => (byKey = event.type === "keydown");
  const look = () => {
    if (!last || !byKey || document.activeElement !== document.body || last.one.isConnected) return;
    last.gone ||= performance.now();
    const waited = performance.now() - last.gone;
    if (waited < PATIENCE_MS && document.querySelector('[data-testid="stApp"]').dataset.testScriptState !== "notRunning") return;
    const away = (one) => {
      const box = one.getBoundingClientRect();
      return Math.hypot(box.left - last.x, box.top - last.y);
    };
    const alike = controls(main()).filter((one) => kind(one) === last.kind);
    const nearest = alike.sort((one, other) => away(one) - away(other))[0];
    if (nearest) nearest.focus({ preventScroll: true });
    else if (waited > PATIENCE_MS) main().focus({ preventScroll: true });
  };
  const timer = setInterval(look, LOOK_MS);
  document.addEventListener("focusin", remember);
  for (const name of ["keydown", "pointerdown"]) document.addEventListener(name, press, true);
  return () => {
    clearInterval(timer);
    document.removeEventListener("focusin", remember);
    for (const name of ["keydown", "pointerdown"]) document.removeEventListener(name, press, true);
  };
}


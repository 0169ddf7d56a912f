// Finder: a text field with a list of what is found as one types. Assistive technology sees a combobox.
const WAIT_MS = 120; // after the last key, before the server is asked
const GAP = 4;
let made = 0;

function element(tag, name, parent, text = "") {
  const found = document.createElement(tag);
  found.className = name;
  found.textContent = text;
  parent.append(found);
  return found;
}

// Open a page of the console without loading it anew: Streamlit follows the address as if the reader had gone back to it.
function openPage(address) {
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  closeSidebar();
}

// Links that lead to another page of the console: one click listener for all of them.
function followLinks() {
  const listener = (event) => {
    const link = event.target.closest?.("a.mq-go");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const table = link.closest(".mq-turn, .mq-sorted thead") && document.querySelector(".mq-sorted");
    if (table) link.closest(".mq-turn") && table.scrollIntoView({ block: "start" });
    else document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
    openPage(link.getAttribute("href"));
  };
  document.addEventListener("click", listener);
  return () => document.removeEventListener("click", listener);
}

function focusOnSlash(input) {
  const listener = (event) => {
    const at = event.composedPath()[0];
    const typing = at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName) || at.getAttribute?.("role") === "textbox";
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const closed = document.querySelector('[data-testid="stExpandSidebarButton"]');
    closed?.click();
    if (closed) requestAnimationFrame(() => input.focus());
    else input.focus();
  };
  document.addEventListener("keydown", listener);
  return () => document.removeEventListener("keydown", listener);
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".finder");
  const input = root.querySelector("input");
  const list = root.querySelector(".list");
  const state = (root.state ??= { id: `mq-finder-${(made += 1)}`, active: -1, value: undefined, timer: 0, open: false });

  root.querySelector("label").textContent = data.label;
  root.querySelector("label").classList.toggle("hidden", data.hidden);
  root.querySelector("kbd").hidden = !data.slash;
  input.placeholder = data.placeholder;
  input.id = state.id;
  list.id = `${state.id}-list`;
  root.querySelector("label").htmlFor = input.id;
  input.setAttribute("aria-controls", list.id);
  if (state.value !== data.value) {
    state.value = data.value;
    input.value = data.value ?? "";
  }

  const options = () => [...list.querySelectorAll("[role=option]:not([aria-disabled])")];
  const place = () => {
    const box = input.getBoundingClientRect();
    const width = Math.min(Math.max(box.width, 260), innerWidth - 16);
    list.style.width = `${width}px`;
    list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
    list.style.top = `${box.bottom + GAP}px`;
    list.style.maxHeight = `${Math.max(innerHeight - box.bottom - 3 * GAP, 120)}px`;
  };
  const open = (wanted) => {
    state.open = wanted && list.childElementCount > 0;
    list.matches(":popover-open") !== state.open && list.togglePopover(state.open);
    input.setAttribute("aria-expanded", String(state.open));
    if (state.open) place();
    else mark(-1);
  };
  const mark = (n) => {
    state.active = n;
    options().forEach((one, m) => {
      one.setAttribute("aria-selected", String(m === n));
      if (m === n) one.scrollIntoView({ block: "nearest" });
    });
    const at = options()[n];
    at ? input.setAttribute("aria-activedescendant", at.id) : input.removeAttribute("aria-activedescendant");
  };
  const choose = (value) => {
    open(false);
    clearTimeout(state.timer);
    state.entered = false;
    if (!data.keeps) input.value = "";
    if (data.slash) {
      openPage(value);
      main().focus({ preventScroll: true });
    } else {
      state.chosen = true; // the list stays closed until something else is typed
      setTriggerValue("chosen", value);
    }
  };
  const chooseFirst = () => state.entered && data.options.length && choose(data.options[0].value);
  const ask = () => {
    state.entered = state.chosen = false;
    clearTimeout(state.timer);
    state.timer = setTimeout(() => setStateValue("typed", input.value), WAIT_MS);
  };

  const drawn = JSON.stringify([data.options, data.nothing]);
  if (list.drawn !== drawn) {
    list.drawn = drawn;
    list.replaceChildren();
    let group = list;
    data.options.forEach((one, n) => {
      if (one.group && one.group !== group.ariaLabel) {
        group = element("div", "group", list);
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", one.group);
        element("div", "heading", group, one.group).setAttribute("aria-hidden", "true");
      }
      const item = element("div", "option", group);
      item.id = `${state.id}-${n}`;
      item.setAttribute("role", "option");
      element("span", "title", item, one.title);
      element("span", "about", item, one.about && ` · ${one.about}`);
      item.onpointerdown = (event) => event.preventDefault(); // the field keeps the focus
      item.onclick = () => choose(one.value);
    });
    if (!data.options.length && data.nothing) {
      const item = element("div", "nothing", list, data.nothing);
      item.setAttribute("role", "option");
      item.setAttribute("aria-disabled", "true");
    }
    mark(-1);
  }
  list.setAttribute("aria-label", data.label);
  const focused = () => parentElement.activeElement === input || document.activeElement === input;
  if (state.entered && data.typed === input.value) chooseFirst();
  if (focused() && !state.chosen && (input.value !== (data.value ?? "") || state.open)) open(true);

  input.oninput = ask;
  input.onfocus = () => {
    input.select();
    if (data.suggests || input.value !== (data.value ?? "")) {
      if (data.typed && input.value === (data.value ?? "")) setStateValue("typed", "");
      open(true);
    }
  };
  input.onclick = () => data.suggests && open(true);
  input.onblur = () => {
    open(false);
    state.chosen = false;
    if (data.keeps) input.value = data.value ?? "";
  };
  input.onkeydown = (event) => {
    const count = options().length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!state.open) open(true);
      else if (count) mark((state.active + (event.key === "ArrowDown" ? 1 : state.active < 0 ? 0 : -1) + count) % count);
    } else if (event.key === "Enter") {
      if (state.active >= 0) choose(data.options[state.active].value);
      else if (data.slash) {
        state.entered = input.value.trim() !== "";
        if (data.typed === input.value) chooseFirst();
        else setStateValue("typed", input.value);
      } else if (input.value.trim()) choose(input.value);
    } else if (event.key === "Escape") {
      if (state.open) open(false);
      else input.value = data.value ?? "";
    } else return;
    event.preventDefault();
  };
  const moved = () => state.open && place();
  addEventListener("resize", moved);
  document.addEventListener("scroll", moved, true);
  const cleanups = [() => removeEventListener("resize", moved), () => document.removeEventListener("scroll", moved, true)];
  if (data.slash) cleanups.push(focusOnSlash(input), followLinks(), enterPopovers(), keepFocus(), closeAfterNavigation());
  return () => cleanups.forEach((end) => end());
}

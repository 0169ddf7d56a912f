// Where the sidebar covers the page, it closes once a page was chosen in it. Streamlit does so on telephones only, not in narrow windows.
const NARROW_PX = 768; // up to here Streamlit lays the sidebar over the page
const NAVIGATION_MS = 100;
let lastPath = location.pathname;

function closeSidebar() {
  if (innerWidth > NARROW_PX) return;
  document.querySelector('[data-testid="stSidebar"][data-collapsed="false"] [data-testid="stSidebarCollapseButton"] button')?.click();
}

// A path that changed is a navigation, whether by a link, a button or the search; a click on the page that is already open changes none.
function closeAfterNavigation() {
  const look = () => {
    if (location.pathname === lastPath) return;
    lastPath = location.pathname;
    closeSidebar();
  };
  const click = (event) => {
    if (event.target.closest?.('[data-testid="stSidebarNavLink"]')) setTimeout(closeSidebar, NAVIGATION_MS);
  };
  const timer = setInterval(look, NAVIGATION_MS);
  document.addEventListener("click", click, true);
  return () => {
    clearInterval(timer);
    document.removeEventListener("click", click, true);
  };
}


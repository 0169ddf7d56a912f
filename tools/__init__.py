"""Programs that look after the project itself; Marquee never imports them."""

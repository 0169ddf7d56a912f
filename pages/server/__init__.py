"""How Streamlit's server runs inside Marquee."""

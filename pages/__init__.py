"""The console: Streamlit pages on top of ``engine.services``."""

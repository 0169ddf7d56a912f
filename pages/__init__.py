"""The console: Streamlit pages over ``engine.services``."""

"""The domain of Marquee: data, models, ranking, evaluation and use cases. Knows nothing of Streamlit or HTTP."""

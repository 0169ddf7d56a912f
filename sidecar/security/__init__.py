"""Who may ask: keys, sessions, scopes, rates, and the sign-in page."""

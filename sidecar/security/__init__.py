"""Access: keys, sessions, scopes, rate limits, and the sign-in page."""

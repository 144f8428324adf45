"""The console's log-in and session: the browser holds a cookie, the gateway the tokens."""

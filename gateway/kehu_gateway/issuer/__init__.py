"""The built-in OpenID Connect issuer: demo users and systems, in the environment demo only."""

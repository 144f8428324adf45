"""Who works where, and which customer belongs to whom: fed from other services' topics."""

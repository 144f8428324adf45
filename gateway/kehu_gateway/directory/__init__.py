"""Which unit each customer, complaint and campaign belongs to, and who works where: the reach of live streams."""

"""The timeline 接触记录: every contact with a customer and every event around them, from all services, in one order."""

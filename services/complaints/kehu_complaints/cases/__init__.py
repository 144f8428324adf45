"""Cases: intake, states, queue and history of complaints, enquiries and suggestions."""

"""How it ran: series from a server or a file, and what is unusual in them."""

"""Work that several processes do together, called ranks."""

"""How a service is put together and how services call each other."""

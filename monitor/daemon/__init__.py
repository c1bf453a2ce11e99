"""Wire everything: from settings to a daemon that runs, or to one pass that ends."""

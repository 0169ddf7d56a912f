"""One server through a store's life at growing sizes: import, training, requests, restart."""

"""One language for everything that counts: conditions over fact views, and measures made of them."""

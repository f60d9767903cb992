"""What adapters of databases share: a connection that only reads. No plugin of its own."""

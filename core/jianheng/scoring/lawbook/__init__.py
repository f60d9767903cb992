"""The law written for people and for editors: its page, its schemas, a new pack."""

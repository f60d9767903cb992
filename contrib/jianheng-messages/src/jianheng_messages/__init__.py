"""Two targets that tell somebody: a signed webhook for programs, mail for people."""

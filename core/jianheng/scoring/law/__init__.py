"""The law as data: a policy's files read, laid over each other, checked as one and compiled."""

"""Any number opened, down to the facts and the law it came from."""

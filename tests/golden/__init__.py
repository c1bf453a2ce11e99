"""Golden texts: what people see, committed as files that a person reads."""

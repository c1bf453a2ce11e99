"""Ways to tell people: each implements `monitor.ports.Notifier`. What is said is in `wording`, how it looks in each notifier."""

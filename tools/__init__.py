"""What developers run around the program: nothing of it is shipped."""

"""What can be seen of a machine from outside: its ports and its certificates. Must not judge them."""

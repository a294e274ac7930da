"""What a user can do, one file each: its settings, its flags, what it calls, what it says at the end."""

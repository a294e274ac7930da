"""Work that survives the browser: a job is a folder and a process."""

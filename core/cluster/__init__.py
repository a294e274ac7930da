"""Work spread over processes and machines: what is typed, who answers, and tasks that are done once whatever dies meanwhile."""

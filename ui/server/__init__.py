"""What the server does before a page is drawn: who may come in, the first picture, its memory."""

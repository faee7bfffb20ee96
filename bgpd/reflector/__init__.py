"""Route reflection: who is a client of whom, and the attributes that keep reflected routes from looping (RFC 4456)."""

"""A declarative grammar of UPDATE: slow, complete, and written apart from the decoder that it judges."""

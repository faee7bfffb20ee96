"""The routing information base: what peers said, which path wins, and what each group of peers is told.

RFC 4271 section 3.2 and 9. Everything here is pure: octets and paths in, changes and octets out.
"""
